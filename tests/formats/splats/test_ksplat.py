import struct
from pathlib import Path

import pytest
import torch

from fastavatar.app.cli.main import run
from fastavatar.errors import InputError, UsageError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats.ksplat import parse_ksplat
from tests.formats.splats.storable import psnr, storable

DATA = Path(__file__).with_name("data")


def content(level: int) -> bytearray:
    """What GaussianSplats3D 0.4.7 wrote of `storable(seed=7, count=24, degree=2)`, four to a bucket."""
    return bytearray((DATA / f"gaussian_splats_3d_level{level}.ksplat").read_bytes())


@pytest.mark.parametrize("level", range(3))
def test_every_compression_level_is_read(level: int) -> None:
    g = storable(seed=7, count=24, degree=2)
    back = read_gaussians(DATA / f"gaussian_splats_3d_level{level}.ksplat", "head")
    assert len(back) == 24 and back.sh_degree == 2
    back = back.subset(torch.cdist(g.means, back.means).argmin(1))
    torch.testing.assert_close(back.means, g.means, rtol=0, atol=0.1 / 2 / 32767 + 1e-7)
    torch.testing.assert_close(back.log_scales, g.log_scales, rtol=0, atol=1e-2 if level else 1e-5)
    torch.testing.assert_close(back.sh[:, 1:], g.sh[:, 1:], rtol=0, atol=(1e-6, 1e-3, 1e-2)[level])
    torch.testing.assert_close(back.sh[:, 0], g.sh[:, 0], rtol=0, atol=1.01 / 255 / 0.2820948)
    assert psnr(g, back) > 50


def test_sections_are_joined_and_padded_to_the_highest_degree(tmp_path: Path) -> None:
    one = content(0)
    header, section, rows = one[:4096], one[4096:5120], one[5120:]
    plain = bytearray(section)
    struct.pack_into("<H", plain, 40, 0)
    metadata = len(rows) - 24 * 140
    first_rows = b"".join(bytes(rows[metadata + 140 * i :][:44]) for i in range(24))
    struct.pack_into("<I", header, 4, 2)
    (tmp_path / "a.ksplat").write_bytes(header + section + plain + rows + rows[:metadata] + first_rows)
    back = read_gaussians(tmp_path / "a.ksplat")
    assert len(back) == 48 and back.sh_degree == 2
    assert torch.equal(back.means[:24], back.means[24:]) and torch.equal(back.sh[:24, 0], back.sh[24:, 0])
    assert bool(back.sh[:24, 1:].any()) and not bool(back.sh[24:, 1:].any())


def changed(level: int, at: int, kind: str, value: float) -> bytes:
    found = content(level)
    struct.pack_into(kind, found, at, value)
    return bytes(found)


WRONG = {
    "empty": (b"", "it is no .ksplat file, or one that ends too early"),
    "text": (b"hello" * 1000, "it is no .ksplat file, or one of version 104.101"),
    "version 1.0": (
        changed(1, 0, "<B", 1),
        "version 1.1, compression 1; version 0.1 with compression 0 to 2 is known",
    ),
    "version 0.0": (changed(1, 1, "<B", 0), "one of version 0.0"),
    "level 3": (changed(1, 20, "<H", 3), "compression 3; version 0.1"),
    "a billion sections": (changed(1, 4, "<I", 10**9), "it ends too early"),
    "no section": (changed(1, 4, "<I", 0), "it holds no Gaussians"),
    "a billion rows": (changed(1, 4096 + 4, "<I", 10**9), "it ends too early"),
    "more than there is room for": (changed(1, 4096, "<I", 25), "it ends too early"),
    "degree 3": (changed(1, 4096 + 40, "<H", 3), "SH degree 3"),
    "buckets of other sizes": (changed(1, 4096 + 20, "<H", 8), "its buckets are wrong"),
    "too few buckets": (changed(1, 4096 + 8, "<I", 1), "its buckets are wrong"),
    "cut": (bytes(content(1)[:-1]), "it ends too early"),
}


@pytest.mark.parametrize("name", WRONG)
def test_damaged_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    found, said = WRONG[name]
    (tmp_path / "a.ksplat").write_bytes(found)
    with pytest.raises(InputError, match=f"^cannot read .*a.ksplat: .*{said}") as caught:
        parse_ksplat(tmp_path / "a.ksplat")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("level", range(3))
def test_a_changed_byte_of_a_header_is_noticed_or_harmless(level: int, tmp_path: Path) -> None:
    whole = bytes(content(level))
    for at in (*range(44), *range(4096, 4096 + 44), *range(5120, 5300)):
        for value in (0, 1, 127, 255):
            (tmp_path / "a.ksplat").write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                assert len(parse_ksplat(tmp_path / "a.ksplat").gaussians) <= 24
            except InputError as error:
                assert "\n" not in str(error)


def test_ksplat_is_read_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"^\.ksplat files can only be read"):
        write_gaussians(storable(count=2), tmp_path / "a.ksplat")
    source = DATA / "gaussian_splats_3d_level2.ksplat"
    assert run(["convert", str(source), str(tmp_path / "a.ply")]) == 0
    assert capsys.readouterr().err == f"24 Gaussians in {tmp_path / 'a.ply'}\n"
    assert run(["info", str(source)]) == 0
    assert "SH degree       2" in capsys.readouterr().out
