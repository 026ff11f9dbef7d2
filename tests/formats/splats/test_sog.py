import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats import sog
from fastavatar.formats.splats.sog import encode_sog, losses
from fastavatar.formats.splats.sog_reading import parse_sog
from tests.formats.splats.storable import psnr, storable

DATA = Path(__file__).with_name("data")


def nearest(to: Gaussians, gaussians: Gaussians) -> Gaussians:
    """The Gaussians in the order of those of `to` with the nearest centres."""
    return gaussians.subset(torch.cdist(to.means, gaussians.means).argmin(1))


@pytest.mark.parametrize("degree", range(4))
def test_the_same_head_comes_back(degree: int, tmp_path: Path) -> None:
    g = storable(degree=degree)
    told = write_gaussians(g, tmp_path / "a.sog")
    assert len(told) == 2 and "rounded" in told[0]
    back = read_gaussians(tmp_path / "a.sog")
    assert len(back) == len(g) and back.sh_degree == degree and psnr(g, back) > 55
    ordered = nearest(g, back)
    torch.testing.assert_close(ordered.means, g.means, rtol=0, atol=1e-5)
    torch.testing.assert_close(ordered.log_scales, g.log_scales, rtol=0, atol=0.05)
    torch.testing.assert_close(ordered.sh, g.sh, rtol=0, atol=0.05)
    assert encode_sog(g, "head") == encode_sog(g, "head")


def test_a_file_of_splat_transform_is_read() -> None:
    """Version 2.7.1 wrote it from a PLY in the frame `head`."""
    g = storable(seed=7, count=24)
    back = nearest(g, read_gaussians(DATA / "splat_transform.sog", "head"))
    torch.testing.assert_close(back.means, g.means, rtol=0, atol=1e-5)
    torch.testing.assert_close(back.log_scales, g.log_scales, rtol=0, atol=0.02)
    torch.testing.assert_close(back.sh[:, 0], g.sh[:, 0], rtol=0, atol=0.02)
    assert psnr(g, back) > 40  # its palette is coarse


def pixels(archive: zipfile.ZipFile, name: str) -> list[tuple[int, ...]]:
    with Image.open(io.BytesIO(archive.read(name))) as image:
        assert image.format == "WEBP"
        values = np.asarray(image.convert("RGBA")).reshape(-1, 4)
        return [tuple(int(part) for part in row) for row in values]


def test_another_reader_reads_the_same(tmp_path: Path) -> None:
    """One Gaussian after the other, as the format's description reads."""
    g = storable(count=130)
    write_gaussians(g, tmp_path / "a.sog", "opencv")
    ours = read_gaussians(tmp_path / "a.sog", "head")  # as it stands in the file
    with zipfile.ZipFile(tmp_path / "a.sog") as archive:
        assert archive.testzip() is None
        meta = json.loads(archive.read("meta.json"))
        planes = {
            name: pixels(archive, f"{name}.webp") for name in ("means_l", "means_u", "quats", "scales", "sh0")
        }
        labels, centroids = pixels(archive, "shN_labels.webp"), pixels(archive, "shN_centroids.webp")
    assert (meta["version"], meta["count"], meta["shN"]["bands"]) == (2, 130, 3)
    assert len(planes["quats"]) == 12 * 11 and meta["shN"]["count"] == 130
    for i in range(meta["count"]):
        for k in range(3):
            whole = planes["means_u"][i][k] << 8 | planes["means_l"][i][k]
            low, high = meta["means"]["mins"][k], meta["means"]["maxs"][k]
            logarithm = low + whole / 65535 * (high - low)
            assert float(ours.means[i, k]) == pytest.approx(
                float(np.sign(logarithm) * (np.exp(abs(logarithm)) - 1)), abs=1e-6
            )
            assert float(ours.log_scales[i, k]) == pytest.approx(
                meta["scales"]["codebook"][planes["scales"][i][k]]
            )
            assert float(ours.sh[i, 0, k]) == pytest.approx(meta["sh0"]["codebook"][planes["sh0"][i][k]])
        label = labels[i][0] + 256 * labels[i][1]
        for c in range(15):
            row = centroids[label // 64 * 64 * 15 + label % 64 * 15 + c]
            assert ours.sh[i, 1 + c].tolist() == pytest.approx(
                [meta["shN"]["codebook"][byte] for byte in row[:3]]
            )
        *three, mode = planes["quats"][i]
        quat = [(byte / 255 - 0.5) * 2**0.5 for byte in three]
        quat.insert(mode - 252, max(0.0, 1 - sum(part**2 for part in quat)) ** 0.5)
        assert ours.quats_wxyz[i].tolist() == pytest.approx(quat, abs=1e-6)
        if 0 < planes["sh0"][i][3] < 255:
            assert float(ours.opacities[i]) == pytest.approx(planes["sh0"][i][3] / 255, abs=1e-6)


def test_more_gaussians_than_palette_rows_share_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sog, "PALETTE_LIMIT", 128)
    g = storable(degree=1)
    assert losses(g)[1] == "how colours change with the view is reduced to 128 ways"
    few = g.subset(torch.arange(128))
    assert not any("reduced" in told for told in losses(few))
    write_gaussians(g, tmp_path / "a.sog")
    with zipfile.ZipFile(tmp_path / "a.sog") as archive:
        assert json.loads(archive.read("meta.json"))["shN"]["count"] == 120  # 600 in boxes of 5
    back = nearest(g, read_gaussians(tmp_path / "a.sog"))
    error = (back.sh[:, 1:] - g.sh[:, 1:]).square().mean().sqrt() / g.sh[:, 1:].std()
    assert 0.1 < float(error) < 0.85  # 9 independent numbers each, the hardest case


def version_1(g: Gaussians) -> bytes:
    """A file as the first writers made it: bounds instead of tables, logits for opacities."""
    logarithms = np.sign(g.means.numpy()) * np.log1p(np.abs(g.means.numpy()))

    def coded(
        values: np.ndarray[Any, Any], steps: int, axis: int | None = 0
    ) -> tuple[Any, list[Any], list[Any]]:
        low, high = values.min(axis), values.max(axis)
        return np.rint((values - low) / (high - low) * steps).astype(int), low.tolist(), high.tolist()

    def picture(rows: np.ndarray[Any, Any], width: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(rows.reshape(-1, width, rows.shape[-1]).astype(np.uint8)).save(
            buffer, "WEBP", lossless=True, exact=True
        )
        return buffer.getvalue()

    means, mean_low, mean_high = coded(logarithms, 65535)
    scales, scale_low, scale_high = coded(g.log_scales.numpy(), 255)
    colors, color_low, color_high = coded(
        np.column_stack([g.sh[:, 0].numpy(), g.opacity_logits.numpy()]), 255
    )
    rest, rest_low, rest_high = coded(g.sh[:, 1:].numpy(), 255, None)
    quats = (g.quats_wxyz / g.quats_wxyz.norm(dim=1, keepdim=True)).numpy()
    largest = np.abs(quats).argmax(1)
    rotations = [
        [*(round((float(part * np.sign(q[m])) / 2**0.5 + 0.5) * 255) for part in np.delete(q, m)), 252 + m]
        for q, m in zip(quats, largest, strict=True)
    ]
    labels = np.zeros((len(g), 3), int)
    labels[:, 0], labels[:, 1] = np.arange(len(g)) % 256, np.arange(len(g)) // 256
    count, degree = len(g), rest.shape[1]
    files = {
        "a.webp": picture(means & 255, 8),
        "b.webp": picture(means >> 8, 8),
        "c.webp": picture(scales, 8),
        "d.webp": picture(np.array(rotations), 8),
        "e.webp": picture(colors, 8),
        "f.webp": picture(rest.reshape(-1, 3), 64 * degree),
        "g.webp": picture(labels, 8),
    }
    meta = {
        "means": {"shape": [count, 3], "mins": mean_low, "maxs": mean_high, "files": ["a.webp", "b.webp"]},
        "scales": {"shape": [count, 3], "mins": scale_low, "maxs": scale_high, "files": ["c.webp"]},
        "quats": {"shape": [count, 4], "encoding": "quaternion_packed", "files": ["d.webp"]},
        "sh0": {"shape": [count, 1, 4], "mins": color_low, "maxs": color_high, "files": ["e.webp"]},
        "shN": {"mins": rest_low, "maxs": rest_high, "quantization": 8, "files": ["f.webp", "g.webp"]},
    }
    return zipped({"meta.json": json.dumps(meta).encode(), **files})


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_version_1_is_read(degree: int, tmp_path: Path) -> None:
    g = storable(count=320, degree=degree)
    (tmp_path / "a.sog").write_bytes(version_1(g))
    back = read_gaussians(tmp_path / "a.sog", "head")
    assert back.sh_degree == degree and psnr(g, back) > 45
    torch.testing.assert_close(back.means, g.means, rtol=0, atol=1e-5)
    torch.testing.assert_close(back.opacity_logits, g.opacity_logits, rtol=0, atol=0.03)
    torch.testing.assert_close(back.sh, g.sh, rtol=0, atol=0.02)


def changed(meta: dict[str, Any] | bytes, **files: bytes) -> bytes:
    """The file of splat-transform with some entries of meta.json and some files replaced."""
    with zipfile.ZipFile(DATA / "splat_transform.sog") as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    if isinstance(meta, dict):
        contents["meta.json"] = json.dumps(json.loads(contents["meta.json"]) | meta).encode()
    else:
        contents["meta.json"] = meta
    return zipped(contents | {name.replace("_webp", ".webp"): content for name, content in files.items()})


def image(width: int, height: int, value: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (width, height), (value,) * 4).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def claiming(width: int, height: int) -> bytes:
    """The beginning of a PNG of this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\1IDAT"
    )


def encrypted() -> bytes:
    content = bytearray(changed({}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(signature, place + 4)
    return bytes(content)


def of_another_method() -> bytes:
    content = bytearray(changed({}))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = content.find(signature)
        while place >= 0:
            struct.pack_into("<H", content, place + offset, 99)
            place = content.find(signature, place + 4)
    return bytes(content)


WRONG: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is no .sog file, or a damaged one"),
    "text": (b"hello, I am a text", "it is no .sog file, or a damaged one"),
    "no meta.json": (zipped({"a.txt": b""}), "meta.json"),
    "encrypted": (encrypted(), "or a damaged one"),
    "unknown method": (of_another_method(), "meta.json is packed by method 99"),
    "meta.json is a list": (changed(b"[]"), "or a damaged one"),
    "meta.json is deep": (changed(b"[" * 100_000), "or a damaged one"),
    "meta.json is long": (
        changed(b'{"a": "' + b" " * 2_000_000 + b'"}'),
        "meta.json unpacks to 2000009 bytes",
    ),
    "version 3": (changed({"version": 3}), "it is a .sog file of version 3; versions 1 and 2 are known"),
    "version of text": (changed({"version": "x" * 10**5}), "it is a .sog file of version 'xxx"),
    "no Gaussians": (changed({"count": 0}), "it holds no Gaussians"),
    "half a Gaussian": (changed({"count": 0.5}), "it holds no Gaussians"),
    "a billion Gaussians": (changed({"count": 10**9}), "it claims 1000000000 Gaussians, more than its"),
    "too many for its pictures": (changed({"count": 70}), r"pixels for 70 Gaussians"),
    "a table too short": (
        changed({"scales": {"codebook": [1.0], "files": ["scales.webp"]}}),
        "does not have 256 numbers",
    ),
    "a table of words": (
        changed({"scales": {"codebook": ["a"] * 256, "files": ["scales.webp"]}}),
        "or a damaged one",
    ),
    "bounds of two": (
        changed({"means": {"mins": [0, 0], "maxs": [1, 1], "files": ["means_l.webp", "means_u.webp"]}}),
        "does not have 3 numbers",
    ),
    "a missing picture": (changed({"quats": {"files": ["gone.webp"]}}), "gone.webp"),
    "an enormous picture": (
        changed({}, quats_webp=image(8000, 8000)),
        "quats has 8000×8000 pixels for 24 Gaussians",
    ),
    "a picture of 100 megapixels": (changed({}, quats_webp=claiming(10_000, 10_000)), "decompression bomb"),
    "a picture of 268 megapixels": (changed({}, quats_webp=claiming(16_383, 16_383)), "decompression bomb"),
    "a picture that is none": (changed({}, quats_webp=b"hello"), "cannot identify image file"),
    "a rotation of no kind": (changed({}, quats_webp=image(8, 4, 7)), "a rotation of an unknown kind"),
    "a palette too narrow": (changed({}, shN_centroids_webp=image(64, 1)), "its palette has a wrong width"),
    "a palette too short": (changed({}, shN_labels_webp=image(8, 4, 255)), "its palette is too short"),
    "a bomb": (changed({}, quats_webp=bytes(10**8)), "quats.webp unpacks to 100000000 bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_damaged_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, said = WRONG[name]
    (tmp_path / "a.sog").write_bytes(content)
    with pytest.raises(InputError, match=f"^cannot read .*a.sog: .*{said}") as caught:
        parse_sog(tmp_path / "a.sog")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_an_anti_aliased_file_is_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.sog").write_bytes(changed({"antialias": True}))
    assert len(read_gaussians(tmp_path / "a.sog")) == 24
    assert "a.sog is read without its anti-aliasing filter" in caplog.text


def test_a_changed_or_missing_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    content = (DATA / "splat_transform.sog").read_bytes()
    path, refused = tmp_path / "a.sog", 0
    for at in range(0, len(content), 149):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1 :]):
            path.write_bytes(damaged)
            try:
                assert len(parse_sog(path).gaussians) == 24
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
    assert refused > 1.5 * len(content) / 149  # every cut, and most changes


def test_alike_gaussians_have_bounds_without_width(tmp_path: Path) -> None:
    alike = storable(count=5).subset(torch.zeros(5, dtype=torch.long))
    write_gaussians(alike, tmp_path / "a.sog")
    back = read_gaussians(tmp_path / "a.sog")
    torch.testing.assert_close(back.means, alike.means)
    torch.testing.assert_close(back.log_scales, alike.log_scales)
    torch.testing.assert_close(back.sh[:, 0], alike.sh[:, 0])
