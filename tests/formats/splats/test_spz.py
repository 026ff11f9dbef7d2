import gzip
import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats import parse_spz
from fastavatar.formats.splats.spz import encode_spz, losses
from tests.formats.splats.storable import psnr, storable

DATA = Path(__file__).with_name("data")


@pytest.mark.parametrize("degree", range(4))
def test_the_same_head_comes_back(degree: int, tmp_path: Path) -> None:
    g = storable(degree=degree)
    told = write_gaussians(g, tmp_path / "a.spz")
    assert "rounded" in told[0] and len(told) == 1
    back = read_gaussians(tmp_path / "a.spz")
    assert back.sh_degree == degree and psnr(g, back) > 46
    torch.testing.assert_close(back.means, g.means, rtol=0, atol=0.5 / 65536 + 1e-7)
    torch.testing.assert_close(back.log_scales, g.log_scales, rtol=0, atol=0.5 / 16 + 1e-6)
    torch.testing.assert_close(back.opacities, g.opacities, rtol=0, atol=0.51 / 255)
    torch.testing.assert_close(back.sh[:, :1], g.sh[:, :1], rtol=0, atol=0.5 / 255 / 0.15 + 1e-6)
    torch.testing.assert_close(back.sh[:, 1:4], g.sh[:, 1:4], rtol=0, atol=1 / 128 + 1e-6)
    torch.testing.assert_close(back.sh[:, 4:], g.sh[:, 4:], rtol=0, atol=2 / 128 + 1e-6)
    assert encode_spz(g, "head") == encode_spz(g, "head")


@pytest.mark.parametrize("version", [3, 4])
def test_files_of_splat_transform_are_read(version: int) -> None:
    """Version 2.7.1 wrote them from a PLY in the frame `head`; its SH has 5 and 4 bits."""
    g = storable(seed=7, count=24)
    back = read_gaussians(DATA / f"splat_transform_v{version}.spz", "head")
    torch.testing.assert_close(back.means, g.means, rtol=0, atol=0.51 / 4096)
    torch.testing.assert_close(back.log_scales, g.log_scales, rtol=0, atol=0.51 / 16)
    torch.testing.assert_close(back.sh, g.sh, rtol=0, atol=0.07)
    assert psnr(g, back) > 40


def axes(gaussian: list[float]) -> list[list[float]]:
    """Rotation matrix of a quaternion x y z w, row by row."""
    x, y, z, w = gaussian
    return [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]


def test_another_reader_sees_y_up_and_the_face_turned_away(tmp_path: Path) -> None:
    """Read one number at a time, as the description says; the axes are right, up, back."""
    g = storable(count=50)
    write_gaussians(g, tmp_path / "a.spz")  # in the frame `supersplat`
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    magic, version, count, degree, bits, flags, reserved = struct.unpack_from("<4sIIBBBB", content)
    assert (magic, version, count, degree, flags, reserved) == (b"NGSP", 3, 50, 3, 0, 0)
    assert len(content) == 16 + 50 * (9 + 1 + 3 + 3 + 4 + 45)
    turn = (-1, 1, -1)  # to `supersplat` about z, then about x
    for i in range(count):
        place = 16 + 9 * i
        mean = [
            int.from_bytes(content[place + 3 * k : place + 3 * k + 3], "little", signed=True) / 2**bits
            for k in range(3)
        ]
        assert mean == pytest.approx(
            [sign * float(m) for sign, m in zip(turn, g.means[i], strict=True)], abs=1e-5
        )
        assert content[16 + 450 + i] / 255 == pytest.approx(float(g.opacities[i]), abs=0.002)
        word = struct.unpack_from("<I", content, 16 + 50 * 16 + 4 * i)[0]
        largest, parts = word >> 30, []
        for k in range(3):
            field = word >> (20 - 10 * k) & 1023
            parts.append((-1 if field & 512 else 1) * (field & 511) / 511 * math.sqrt(0.5))
        parts.insert(largest, math.sqrt(1 - sum(part * part for part in parts)))
        turned = np.diag(turn) @ np.array(
            axes(torch.nn.functional.normalize(g.quats_wxyz[i], dim=0)[[1, 2, 3, 0]].tolist())
        )
        # the columns are the Gaussian's axes; which way each points makes no difference
        assert np.abs((np.array(axes(parts)) * turned).sum(0)) == pytest.approx([1, 1, 1], abs=1e-4)


def made(version: int, g: Gaussians) -> bytes:
    """An uncompressed file of version 1 or 2 in the format's own axes, one number at a time."""
    head = struct.pack("<4sIIBBBB", b"NGSP", version, len(g), 0, 12, 0, 0)
    positions = (
        np.float16(g.means.numpy()).tobytes()
        if version == 1
        else b"".join(round(float(x) * 4096).to_bytes(3, "little", signed=True) for x in g.means.flatten())
    )
    opacities = bytes(round(float(x) * 255) for x in g.opacities)
    colors = bytes(round((float(x) * 0.15 + 0.5) * 255) for x in g.sh[:, 0].flatten())
    scales = bytes(round((float(x) + 10) * 16) for x in g.log_scales.flatten())
    quats = g.quats_wxyz * g.quats_wxyz[:, :1].sign() / g.quats_wxyz.norm(dim=1, keepdim=True)
    rotations = bytes(round((float(x) + 1) * 127.5) for x in quats[:, 1:].flatten())
    return head + positions + opacities + colors + scales + rotations


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_are_read(version: int, tmp_path: Path) -> None:
    g = storable(count=40, degree=0)
    (tmp_path / "a.spz").write_bytes(gzip.compress(made(version, g)))
    back = read_gaussians(tmp_path / "a.spz", "opencv")  # whose half turn about x undoes the format's
    torch.testing.assert_close(back.means, g.means, rtol=1e-3, atol=2e-4)
    assert psnr(g, back) > 34


def test_a_fourth_sh_degree_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    g = storable(count=9)
    content = bytearray(gzip.decompress(encode_spz(g, "head")))
    content[12] = 4
    rest = np.frombuffer(bytes(content[-9 * 45 :]), np.uint8).reshape(9, 45)
    padded = np.concatenate([rest, np.full((9, 27), 200, np.uint8)], 1)
    (tmp_path / "a.spz").write_bytes(gzip.compress(bytes(content[: -9 * 45]) + padded.tobytes()))
    back = read_gaussians(tmp_path / "a.spz", "head")
    assert "a.spz is read without its SH coefficients above degree 3" in caplog.text
    torch.testing.assert_close(back.sh[:, 1:], g.sh[:, 1:], rtol=0, atol=2 / 128 + 1e-6)


def test_unread_content_that_changes_the_picture_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.spz").write_bytes(version_3(flags=3))
    assert len(read_gaussians(tmp_path / "a.spz")) == 24
    assert [record.getMessage().removeprefix(str(tmp_path)) for record in caplog.records] == [
        "/a.spz is read without its anti-aliasing filter",
        "/a.spz is read without its extensions",
    ]


def test_what_follows_the_arrays_is_skipped(tmp_path: Path) -> None:
    content = gzip.decompress(encode_spz(storable(count=5), "head")) + b"extension" * 9
    (tmp_path / "a.spz").write_bytes(gzip.compress(content))
    assert len(read_gaussians(tmp_path / "a.spz")) == 5


def test_far_huge_and_tiny_gaussians_are_stored_or_reported(tmp_path: Path) -> None:
    g = storable(count=6)
    g.means[0, 0] = 5000.0
    g.log_scales[1, 0], g.log_scales[2, 1] = -12.0, 7.0
    g.sh[3, 4, 1], g.sh[4, 0, 0] = 1.5, -4.0
    assert losses(g)[1:] == (
        "2 sizes outside 45 µm to 380 m are clipped",
        "2 SH coefficients beyond ±3.3 (the first) or ±1 are clipped",
    )
    write_gaussians(g, tmp_path / "a.spz", "head")
    back = read_gaussians(tmp_path / "a.spz", "head")
    assert float(back.means[0, 0]) == pytest.approx(5000, abs=1e-3)
    assert back.log_scales[1, 0] == -10 and float(back.log_scales[2, 1]) == pytest.approx(5.9375)
    assert float(back.sh[3, 4, 1]) == pytest.approx(1, abs=0.04)


def version_4(**changes: int) -> bytes:
    """The file of splat-transform with other numbers in its header or table."""
    content = bytearray((DATA / "splat_transform_v4.spz").read_bytes())
    places = {
        "magic": (0, "<I"),
        "version": (4, "<I"),
        "count": (8, "<I"),
        "streams": (15, "<B"),
        "table": (16, "<I"),
    }
    places |= {"packed": (32, "<Q"), "unpacked": (40, "<Q")}
    for name, value in changes.items():
        struct.pack_into(places[name][1], content, places[name][0], value)
    return bytes(content)


def version_3(**changes: int) -> bytes:
    content = bytearray(gzip.decompress((DATA / "splat_transform_v3.spz").read_bytes()))
    places = {
        "version": (4, "<I"),
        "count": (8, "<I"),
        "degree": (12, "<B"),
        "bits": (13, "<B"),
        "flags": (14, "<B"),
    }
    for name, value in changes.items():
        struct.pack_into(places[name][1], content, places[name][0], value)
    return gzip.compress(bytes(content))


WRONG = {
    "empty": (b"", "it is no .spz file"),
    "text": (b"hello, I am a text of some length", "it is no .spz file"),
    "a text, packed": (gzip.compress(b"hello, I am a text of some length"), "it is no .spz file"),
    "packed, short": (gzip.compress(b"NGSP"), "it is no .spz file, or one that ends too early"),
    "version 9": (version_3(version=9), "it is an .spz file of version 9; versions 1 to 4 are known"),
    "degree 7": (version_3(degree=7), "its header is wrong"),
    "64 bits": (version_3(bits=64), "its header is wrong"),
    "no Gaussians": (version_3(count=0), "it holds no Gaussians"),
    "a billion Gaussians": (version_3(count=10**9), "it claims 1000000000 Gaussians, more than its"),
    "more Gaussians than rows": (version_3(count=25), "it ends too early"),
    "v4, a billion Gaussians": (version_4(count=10**9), "it claims 1000000000 Gaussians, more than its"),
    "v4, more than rows": (version_4(count=25), "its table of sizes is wrong"),
    "v4, 200 streams": (version_4(streams=200), "its header is wrong"),
    "v4, table beyond": (version_4(table=2**32 - 1), "it ends too early"),
    "v4, stream beyond": (version_4(packed=2**63), "its table of sizes is wrong"),
    "v4, stream too large": (version_4(unpacked=2**62), "its table of sizes is wrong"),
    "v4 as v3": (version_4(version=3), "its header is wrong"),
    "a bomb": (
        gzip.compress(struct.pack("<4sIIBBBB", b"NGSP", 3, 9, 0, 12, 0, 0) + bytes(10**7)),
        "it ends too early",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_damaged_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, said = WRONG[name]
    (tmp_path / "a.spz").write_bytes(content)
    with pytest.raises(InputError, match=f"^cannot read .*a.spz: .*{said}") as caught:
        parse_spz(tmp_path / "a.spz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [3, 4])
def test_a_changed_or_missing_byte_is_noticed_or_harmless(version: int, tmp_path: Path) -> None:
    content = (DATA / f"splat_transform_v{version}.spz").read_bytes()
    path, refused = tmp_path / "a.spz", 0
    for at in range(0, len(content), 7):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :]):
            path.write_bytes(damaged)
            try:
                assert len(parse_spz(path).gaussians) <= 24
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > 0.5 * 2 * len(content) / 7  # at least every cut


def test_rows_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    g = storable(count=3)
    broken = replace(g, opacity_logits=torch.tensor([0.0, float("nan"), 0.0]))
    with pytest.raises(InputError, match="opacity_logits of Gaussian 1 is not finite"):
        encode_spz(broken, "head")
