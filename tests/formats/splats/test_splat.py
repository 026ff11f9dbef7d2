import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fastavatar.core import decode_colors
from fastavatar.errors import InputError
from fastavatar.formats.splats.splat import encode_splat, losses, parse_splat
from fastavatar.geometry import matrix_from_quaternion_wxyz
from tests.formats.splats.storable import psnr, storable


def test_another_reader_sees_32_bytes_each_in_the_order_given() -> None:
    g = storable(count=7)
    content = encode_splat(g, "head")
    assert len(content) == 32 * 7
    quats = torch.nn.functional.normalize(g.quats_wxyz, dim=1)
    quats = quats * quats[:, :1].sign()
    for index in range(7):
        row = struct.unpack_from("<6f8B", content, 32 * index)
        assert row[:3] == tuple(g.means[index].tolist())
        torch.testing.assert_close(torch.tensor(row[3:6]), g.scales[index])
        color = [*decode_colors(g.sh[index, 0]).tolist(), float(g.opacities[index])]
        assert all(
            abs(byte / 255 - value) <= 0.5 / 255 + 1e-6 for byte, value in zip(row[6:10], color, strict=True)
        )
        turn = torch.tensor([(byte - 128) / 128 for byte in row[10:]])
        assert float((turn - quats[index]).abs().max()) <= 1 / 128


def test_it_looks_the_same_without_view_dependence(tmp_path: Path) -> None:
    g = storable(degree=0)
    (tmp_path / "a.splat").write_bytes(encode_splat(g, "head"))
    back = parse_splat(tmp_path / "a.splat").in_head_frame("head")
    assert len(back) == len(g) and back.sh_degree == 0
    assert psnr(g, back) > 40
    turned, again = (matrix_from_quaternion_wxyz(x.quats_wxyz) for x in (g, back))
    assert float((turned - again).abs().max()) < 0.05


def test_files_of_gsplat_are_read(tmp_path: Path) -> None:
    exporter = pytest.importorskip("gsplat.exporter", reason="gsplat is not installed")
    g = storable(degree=0)
    path = tmp_path / "a.splat"
    exporter.export_splats(
        *(g.means, g.log_scales, g.quats_wxyz, g.opacity_logits, g.sh[:, :1], g.sh[:, 1:]),
        format="splat",
        save_to=str(path),
    )
    assert psnr(g, parse_splat(path).in_head_frame("head")) > 35


def test_flat_ones_of_other_programs_are_read(tmp_path: Path) -> None:
    row = struct.pack("<6f8B", 0, 0, 0, 0.01, 0.01, 0, 255, 0, 0, 255, 255, 128, 128, 128)
    (tmp_path / "a.splat").write_bytes(row)
    back = parse_splat(tmp_path / "a.splat").in_head_frame()
    assert float(back.scales[0, 2]) < 1e-8
    assert back.quats_wxyz.tolist() == [
        [0.0, 0.0, 0.0, 1.0]
    ]  # no turn in the file, half a turn after reading


def test_losses_are_reported() -> None:
    assert len(losses(storable(degree=0))) == 1
    g = storable(degree=2)
    bright = replace(g, sh=g.sh.clone())
    bright.sh[:3, 0] = 9.0
    assert losses(bright)[1:] == (
        "colours no longer change with the view (SH degree 2 becomes 0)",
        "3 colours outside 0…1 are clipped",
    )


@pytest.mark.parametrize("content", [b"", b"x" * 33])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.splat").write_bytes(content)
    with pytest.raises(
        InputError, match=rf"or a damaged one \({len(content)} bytes are no multiple of 32\)$"
    ):
        parse_splat(tmp_path / "a.splat")
    with pytest.raises(InputError, match="there is no such file"):
        parse_splat(tmp_path / "b.splat")
    with pytest.raises(InputError, match="is a directory$"):
        parse_splat(tmp_path)
