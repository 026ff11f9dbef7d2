import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from fastavatar.errors import InputError
from fastavatar.images.decode import require_picture
from fastavatar.images.photo import load_photo
from tests.clips import write_clip
from tests.images import pictures
from tests.images.mutations import mutated, sources
from tests.images.pictures import huge_png, quarters, saved
from tests.portraits import ROOT

pillow_heif.register_heif_opener()


def part(image: Image.Image, path: Path, keep: float = 0.5, **options: object) -> None:
    content = saved(image, path, **options).read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))


def rgb(kind: type[np.generic]) -> NDArray[np.generic]:
    return np.asarray(noise()).astype(kind)


def flipped(image: Image.Image, path: Path, **options: object) -> None:
    content = bytearray(saved(image, path, **options).read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(600_000_000)


KINDS = "JPEG, MPO, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF, JPEG 2000 or JPEG XL"


def palette_png(path: Path, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG whose pixels have a palette's colour 3."""
    path.write_bytes(pictures.png((64, 64), 8, 3, (b"\0" + b"\3" * 64) * 64, *chunks))


RARE = (
    "cannot read {}: this TIFF file is damaged or of a rare variant; export it again, "
    "with 8 or 16 bits a channel"
)
NOT_A_PICTURE = f"cannot read {{}}: it is not a picture; give a {KINDS} file"
DAMAGED = "cannot read {}: the picture is cut off or damaged (…); copy or export it again"
UNSAFE = (
    "cannot read {}: 30000×20000 pixels, more than the 120 megapixels that are safe to open; make it smaller"
)

BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    # kind: file name, how to make it, the message with the path left out and Pillow's own words as …
    "missing": ("a.jpg", lambda p: None, "cannot read {}: there is no such file; check the path"),
    "in a missing folder": (
        "b/a.jpg",
        lambda p: None,
        "cannot read {}: there is no such file; check the path",
    ),
    "folder": ("a.jpg", Path.mkdir, "cannot read {}: it is a folder; give the path of one photo"),
    "empty": ("a.jpg", Path.touch, "cannot read {}: the file is empty; copy or export the photo again"),
    "pipe": ("a.jpg", os.mkfifo, "cannot read {}: it is not a regular file; save the photo to one"),
    "loop of links": (
        "a.jpg",
        lambda p: p.symlink_to(p),
        "cannot read {}: Too many levels of symbolic links; check the path",
    ),
    "name too long": (
        "a" * 300 + ".jpg",
        lambda p: None,
        "cannot read {}: File name too long; check the path",
    ),
    "null in the name": ("a\0.jpg", lambda p: None, "cannot read {}: …; check the path"),
    "line break in the name": (
        "a\nb.jpg",
        lambda p: None,
        "cannot read {}: there is no such file; check the path",
    ),
    "600 MB": (
        "a.jpg",
        sparse,
        f"cannot read {{}}: 600 MB is too much for a photo; give a {KINDS} file",
    ),
    "text": ("a.jpg", lambda p: p.write_text("not a photo\n" * 9), NOT_A_PICTURE),
    "web page": ("a.png", lambda p: p.write_text("<!doctype html><title>404</title>"), NOT_A_PICTURE),
    "svg": ("a.svg", lambda p: p.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>'), NOT_A_PICTURE),
    "eps": ("a.eps", lambda p: saved(quarters(), p), NOT_A_PICTURE),
    "pdf": ("a.pdf", lambda p: saved(quarters(), p), NOT_A_PICTURE),
    "archive": ("a.jpg", lambda p: p.write_bytes(b"PK\3\4" + bytes(100)), NOT_A_PICTURE),
    "video": (
        "a.mp4",
        lambda p: write_clip(p, [np.zeros((64, 64, 3), np.uint8)]),
        "cannot read {}: it is a video where a photo is expected; give a frame of it as a photo",
    ),
    "zeros": ("a.jpg", lambda p: p.write_bytes(bytes(5000)), NOT_A_PICTURE),
    "one byte": ("a.jpg", lambda p: p.write_bytes(b"\xff"), NOT_A_PICTURE),
    "head of a jpeg": ("a.jpg", lambda p: part(noise(), p, 0.01), DAMAGED),
    "half a jpeg": ("a.jpg", lambda p: part(noise(), p), DAMAGED),
    "half a progressive jpeg": ("a.jpg", lambda p: part(noise(), p, progressive=True), DAMAGED),
    "half a png": ("a.png", lambda p: part(noise(), p), DAMAGED),
    "half a webp": ("a.webp", lambda p: part(noise(), p), DAMAGED),
    "half a heic": ("a.heic", lambda p: part(noise(), p), DAMAGED),
    "half a tiff": ("a.tif", lambda p: part(noise(), p, compression="tiff_lzw"), RARE),
    "tiff of three floats a pixel": (
        "a.tif",
        lambda p: p.write_bytes(pictures.tiff(np.asarray(noise(), np.float32) / 255, 2)),
        RARE,
    ),
    "tiff of three 32-bit channels": (
        "a.tif",
        lambda p: p.write_bytes(pictures.tiff(rgb(np.uint32), 2)),
        RARE,
    ),
    "tiff of 16-bit channels one after the other": (
        "a.tif",
        lambda p: p.write_bytes(pictures.tiff(rgb(np.uint16), 2, apart=True)),
        "cannot use {}: its channels of 16 bits lie apart; export it with interleaved channels",
    ),
    "grey tiff of signed levels": (
        "a.tif",
        lambda p: saved(Image.fromarray(rgb(np.int32)[..., 0]), p),
        "cannot use {}: its pixels are signed or have 32 bits; export it with 8 or 16 bits",
    ),
    "half a gif": ("a.gif", lambda p: part(noise(), p), DAMAGED),
    "half a bmp": ("a.bmp", lambda p: part(noise(), p), DAMAGED),
    "png with a flipped byte": ("a.png", lambda p: flipped(noise(), p), DAMAGED),
    "tiff with a flipped byte": (
        "a.tif",
        lambda p: flipped(noise(), p, compression="tiff_adobe_deflate"),
        DAMAGED,
    ),
    "palette png without a palette": ("a.png", lambda p: palette_png(p), DAMAGED),
    "palette png with more transparencies than colours": (
        "a.png",
        lambda p: palette_png(p, (b"PLTE", b"\1\2\3"), (b"tRNS", b"\0\x80" * 150)),
        DAMAGED,
    ),
    "32-bit grey tiff": (
        "a.tif",
        lambda p: saved(Image.fromarray(np.full((64, 64), 70_000, np.int32)), p),
        "cannot use {}: its pixels are signed or have 32 bits; export it with 8 or 16 bits",
    ),
    "half a jpeg 2000": ("a.jp2", lambda p: part(noise(), p, 0.02), DAMAGED),
    "png without pixels": ("a.png", lambda p: p.write_bytes(pictures.png((64, 64), 8, 2, b"")), DAMAGED),
    "bomb": (
        "a.png",
        lambda p: p.write_bytes(pictures.huge_png(30_000, 20_000)),
        UNSAFE.replace("30000×20000 pixels, ", ""),
    ),
    "small bomb": (
        "a.png",
        lambda p: p.write_bytes(pictures.huge_png(13_000, 10_000)),
        UNSAFE.replace("30000×20000", "13000×10000"),
    ),
    "1×1": (
        "a.png",
        lambda p: saved(Image.new("RGB", (1, 1)), p),
        "cannot use {}: 1×1 pixels are too few; give a photo of at least 32 pixels each way",
    ),
    "line": (
        "a.png",
        lambda p: saved(Image.new("RGB", (5000, 1)), p),
        "cannot use {}: 5000×1 pixels are too few; give a photo of at least 32 pixels each way",
    ),
    "strip": (
        "a.png",
        lambda p: saved(Image.new("RGB", (64, 5000)), p),
        "cannot use {}: 64×5000 pixels are too narrow; crop the photo around the face",
    ),
    "wholly transparent": (
        "a.png",
        lambda p: saved(Image.new("RGBA", (64, 64), (9, 9, 9, 0)), p),
        "cannot use {}: it is wholly transparent; export it with its background",
    ),
    "raw": (
        "a.dng",
        lambda p: saved(quarters(), p, format="TIFF", tiffinfo={50706: b"\1\4\0\0"}),
        "cannot read {}: it is a raw photo (DNG); export it as JPEG",
    ),
    "floating-point tiff": (
        "a.tif",
        lambda p: saved(Image.new("F", (64, 64), 0.5), p),
        "cannot use {}: its pixels are stored as F; export it as RGB with 8 or 16 bits",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_in_one_line(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name, make, message = BAD[kind]
    path = tmp_path / name
    make(path)
    with pytest.raises(InputError) as caught:
        load_photo(path)
    shown = str(path) if str(path).isprintable() else ascii(str(path))
    before, _, after = message.format(shown).partition("…")
    said = str(caught.value)
    assert said.startswith(before) and said.endswith(after)
    assert "…" in message or said == before
    assert "\n" not in said and len(said) < 600
    assert caught.value.exit_code == 4
    assert capfd.readouterr().err == ""  # nor do native decoders talk past us


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_refused(tmp_path: Path) -> None:
    path = saved(quarters(), tmp_path / "a.png")
    path.chmod(0)
    with pytest.raises(InputError, match="permission denied; allow reading it"):
        load_photo(path)


@pytest.mark.parametrize("kind", sources())
def test_damaged_bytes_give_a_photo_or_one_line(kind: str, tmp_path: Path) -> None:
    """Seeded, so that a failure comes back; `load_photo` may raise nothing but `InputError`."""
    rng, path = random.Random(kind), tmp_path / "a"
    refused = 0
    for _ in range(40):
        path.write_bytes(mutated(sources()[kind], rng))
        try:
            assert load_photo(path).rgb.dtype == np.uint8
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500
    assert refused > 0  # so the damage does reach the decoder


def test_what_the_head_of_a_file_says_is_refused_before_decoding(tmp_path: Path) -> None:
    """The message is that of decoding; damage that only decoding finds passes."""
    huge, cut = tmp_path / "huge.png", tmp_path / "cut.png"
    huge.write_bytes(huge_png(2000, 1000))
    with pytest.raises(
        InputError, match="2000×1000 pixels, more than the 1 megapixels that are safe to open"
    ):
        require_picture(huge, max_pixels=1_000_000)
    require_picture(huge, max_pixels=2_000_000)
    cut.write_bytes(b"no picture")
    with pytest.raises(InputError, match="it is not a picture"):
        require_picture(cut)


@pytest.mark.parametrize(("keep", "expected"), [(1.0, "(96, 96, 3)"), (0.9, "InputError")])
def test_a_process_without_stderr_reads_tiff(keep: float, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    part(noise(), path, keep, compression="tiff_lzw")
    program = (
        "from fastavatar.images.photo import load_photo\n"
        f"try: print(load_photo('{path}').rgb.shape)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    command = f'exec "{sys.executable}" -c "{program}" 2>&-'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == expected
