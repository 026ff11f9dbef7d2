import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Photo
from fastavatar.images.endings import is_photo_name, is_video_name
from fastavatar.images.photo import load_photo
from tests.images import pictures
from tests.images.pictures import (
    COLORS,
    HEIGHT,
    WIDTH,
    half_alpha,
    icc_profile,
    quarters,
    quarters_rgb,
    saved,
)

pillow_heif.register_heif_opener()

EXPECTED = np.array(list(COLORS.values()))
EXACT, LOSSY = 1, 12
ORIENTATION, UNUSED_TAG, EXIF_IFD, FILM_MM = 0x0112, 0x0113, 0x8769, 0xA405


def grey(
    rgb: NDArray[np.int64],
) -> NDArray[np.int64]:
    luma = np.rint(rgb @ np.array([0.299, 0.587, 0.114])).astype(np.int64)
    return np.repeat(luma[:, None], 3, 1)


def on_white(
    rgb: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The picture with its right half composited half transparent on white."""
    out = rgb.copy()
    out[1::2] = np.rint(rgb[1::2] * 128 / 255 + 127).astype(np.int64)
    return out


def with_alpha(mode: str = "RGBA") -> Image.Image:
    image: Image.Image = quarters().convert(mode)
    image.putalpha(half_alpha())
    return image


def palette_with_transparent_color() -> Image.Image:
    image = Image.fromarray(np.kron(np.array([[0, 1], [0, 1]], np.uint8), np.ones((24, 32), np.uint8)), "P")
    image.putpalette([200, 40, 40, 1, 2, 3])
    image.info["transparency"] = 1
    return image


def grey16() -> Image.Image:
    levels = np.full((HEIGHT, WIDTH), 100 * 257, np.uint16)
    levels[:, WIDTH // 2 :] = 200 * 257
    return Image.fromarray(levels)


GREYS = np.array([[100] * 3, [200] * 3] * 2)


GOOD: dict[str, tuple[str, Callable[[Path], object], object, int]] = {
    # kind: file name, how to make it, colours of the four quarters, tolerance
    "jpeg": ("a.jpg", lambda p: saved(quarters(), p, quality=95), EXPECTED, LOSSY),
    "progressive jpeg": (
        "a.jpeg",
        lambda p: saved(quarters(), p, quality=95, progressive=True),
        EXPECTED,
        LOSSY,
    ),
    "grey jpeg": ("a.jpg", lambda p: saved(quarters().convert("L"), p, quality=95), grey(EXPECTED), LOSSY),
    "cmyk jpeg": ("a.jpg", lambda p: saved(quarters().convert("CMYK"), p, quality=95), EXPECTED, LOSSY),
    "png": ("a.png", lambda p: saved(quarters(), p), EXPECTED, EXACT),
    "grey png": ("a.png", lambda p: saved(quarters().convert("L"), p), grey(EXPECTED), EXACT),
    "palette png": ("a.png", lambda p: saved(quarters().quantize(4), p), EXPECTED, LOSSY),
    "1-bit png": (
        "a.png",
        lambda p: saved(quarters().convert("1", dither=Image.Dither.NONE), p),
        [[0] * 3, [0] * 3, [0] * 3, [255] * 3],
        EXACT,
    ),
    "16-bit grey png": ("a.png", lambda p: saved(grey16(), p), GREYS, EXACT),
    "16-bit png": (
        "a.png",
        lambda p: p.write_bytes(pictures.png16(quarters_rgb().astype(np.uint16) * 257)),
        EXPECTED,
        EXACT,
    ),
    "16-bit png with alpha": (
        "a.png",
        lambda p: p.write_bytes(pictures.png16(np.asarray(with_alpha()).astype(np.uint16) * 257)),
        on_white(EXPECTED),
        EXACT,
    ),
    "png with alpha": ("a.png", lambda p: saved(with_alpha(), p), on_white(EXPECTED), EXACT),
    "grey png with alpha": ("a.png", lambda p: saved(with_alpha("LA"), p), on_white(grey(EXPECTED)), EXACT),
    "palette png with a transparent colour": (
        "a.png",
        lambda p: saved(palette_with_transparent_color(), p),
        [[200, 40, 40], [255] * 3] * 2,
        EXACT,
    ),
    "webp": ("a.webp", lambda p: saved(quarters(), p, quality=95), EXPECTED, LOSSY),
    "lossless webp with alpha": (
        "a.webp",
        lambda p: saved(with_alpha(), p, lossless=True),
        on_white(EXPECTED),
        EXACT,
    ),
    "heic": ("a.heic", lambda p: saved(quarters(), p, quality=95), EXPECTED, LOSSY),
    "heic with alpha": ("a.heic", lambda p: saved(with_alpha(), p, quality=95), on_white(EXPECTED), LOSSY),
    "tiff": ("a.tif", lambda p: saved(quarters(), p), EXPECTED, EXACT),
    "compressed tiff": ("a.tiff", lambda p: saved(quarters(), p, compression="tiff_lzw"), EXPECTED, EXACT),
    "16-bit grey tiff whose 0 is white": (
        "a.tif",
        lambda p: p.write_bytes(pictures.tiff(65535 - np.asarray(grey16()), 0)),
        GREYS,
        EXACT,
    ),
    "16-bit grey tiff": ("a.tif", lambda p: saved(grey16(), p), GREYS, EXACT),
    "cmyk tiff": ("a.tif", lambda p: saved(quarters().convert("CMYK"), p), EXPECTED, EXACT),
    "bmp": ("a.bmp", lambda p: saved(quarters(), p), EXPECTED, EXACT),
    "gif": ("a.gif", lambda p: saved(quarters(), p), EXPECTED, LOSSY),
    "png named jpg": ("a.jpg", lambda p: saved(quarters(), p, format="PNG"), EXPECTED, EXACT),
    "no suffix": ("photo", lambda p: saved(quarters(), p, format="PNG"), EXPECTED, EXACT),
    "name in another script": ("фото 写真.png", lambda p: saved(quarters(), p), EXPECTED, EXACT),
    "sRGB profile": (
        "a.png",
        lambda p: saved(quarters(), p, icc_profile=icc_profile(b"RGB", 2.2)),
        EXPECTED,
        6,
    ),
    "profile with red and green exchanged": (
        "a.png",
        lambda p: saved(quarters(), p, icc_profile=icc_profile(b"RGB", 2.2, (b"gXYZ", b"rXYZ", b"bXYZ"))),
        EXPECTED[:, [1, 0, 2]],
        6,
    ),
    "RGB profile on grey": (
        "a.png",
        lambda p: saved(quarters().convert("L"), p, icc_profile=icc_profile(b"RGB", 2.2)),
        grey(EXPECTED),
        4,
    ),
    "linear grey profile": (
        "a.png",
        lambda p: saved(Image.new("L", (WIDTH, HEIGHT), 55), p, icc_profile=icc_profile(b"GRAY", 1.0)),
        [[128] * 3] * 4,  # sRGB encodes a fifth of the light as the middle level
        2,
    ),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_picture_of_any_kind_loads_with_its_colors(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, make, expected, tolerance = GOOD[kind]
    make(tmp_path / name)
    photo = load_photo(tmp_path / name)
    assert (photo.width, photo.height) == (WIDTH, HEIGHT)
    assert photo.rgb.dtype == np.uint8 and photo.rgb.flags.writeable
    np.testing.assert_allclose(pictures.centers(photo.rgb), np.asarray(expected), atol=tolerance)
    assert photo.path == tmp_path / name
    if "alpha" in kind:
        assert photo.alpha is not None and photo.alpha.dtype == np.float32
        assert photo.alpha[5, 5] == 1 and photo.alpha[5, -5] == pytest.approx(128 / 255, abs=0.01)
    elif "transparent" in kind:
        assert photo.alpha is not None and photo.alpha[5, 5] == 1 and photo.alpha[5, -5] == 0
    else:
        assert photo.alpha is None
    assert not caplog.records


UPRIGHT_FROM = {  # which stored quarter lands top left, top right, bottom left, bottom right
    1: [0, 1, 2, 3],
    2: [1, 0, 3, 2],
    3: [3, 2, 1, 0],
    4: [2, 3, 0, 1],
    5: [0, 2, 1, 3],
    6: [2, 0, 3, 1],
    7: [3, 1, 2, 0],
    8: [1, 3, 0, 2],
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", UPRIGHT_FROM)
def test_the_orientation_is_applied_once_to_colors_and_alpha(
    suffix: str, orientation: int, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = quarters() if suffix == "jpg" else with_alpha()
    photo = load_photo(saved(image, tmp_path / f"a.{suffix}", exif=exif.tobytes(), quality=95, lossless=True))
    upright = EXPECTED if suffix == "jpg" else on_white(EXPECTED)
    np.testing.assert_allclose(pictures.centers(photo.rgb), upright[UPRIGHT_FROM[orientation]], atol=LOSSY)
    turned = orientation >= 5
    assert (photo.width, photo.height) == ((HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT))
    if photo.alpha is not None:
        coverage = np.repeat(photo.alpha[..., None] * 255, 3, -1).astype(np.uint8)
        stored = np.array([255, 128, 255, 128])[UPRIGHT_FROM[orientation]]
        np.testing.assert_allclose(pictures.centers(coverage)[:, 0], stored, atol=1)


@pytest.mark.parametrize("orientation", UPRIGHT_FROM)
@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_turn_that_the_file_states_is_applied_once(suffix: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    photo = load_photo(saved(quarters(), tmp_path / f"a.{suffix}", exif=exif.tobytes(), quality=95))
    np.testing.assert_allclose(pictures.centers(photo.rgb), EXPECTED[UPRIGHT_FROM[orientation]], atol=LOSSY)


@pytest.mark.parametrize("orientation", UPRIGHT_FROM)
@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_a_turn_that_exif_alone_states_is_applied(suffix: str, orientation: int, tmp_path: Path) -> None:
    """Some programs write the orientation to EXIF without a property in the container."""
    exif = Image.Exif()
    exif[UNUSED_TAG] = 1  # becomes the orientation, of which Pillow itself would make a property
    path = saved(quarters(), tmp_path / f"a.{suffix}", exif=exif.tobytes(), quality=95)
    content = path.read_bytes()
    written = struct.pack(">HHIHH", UNUSED_TAG, 3, 1, 1, 0)
    assert content.count(written) == 1 and b"irot" not in content and b"imir" not in content
    path.write_bytes(content.replace(written, struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0)))
    photo = load_photo(path)
    np.testing.assert_allclose(pictures.centers(photo.rgb), EXPECTED[UPRIGHT_FROM[orientation]], atol=LOSSY)


@pytest.mark.parametrize("suffix", ["jpg", "heic", "png", "webp", "tif"])
def test_the_focal_length_comes_from_exif(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    exif.get_ifd(EXIF_IFD)[FILM_MM] = 50
    photo = load_photo(saved(quarters(), tmp_path / f"a.{suffix}", exif=exif.tobytes()))
    assert photo.focal_px == pytest.approx(50 / 43.2666 * 80)  # the picture's diagonal is 80 px


def test_an_opaque_alpha_channel_is_no_mask(tmp_path: Path) -> None:
    assert load_photo(saved(quarters().convert("RGBA"), tmp_path / "a.png")).alpha is None


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation_is_taken(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = [Image.new("RGB", (WIDTH, HEIGHT), "black")]
    path = saved(quarters(), tmp_path / f"a.{suffix}", save_all=True, append_images=later, lossless=True)
    np.testing.assert_allclose(pictures.centers(load_photo(path).rgb), EXPECTED, atol=LOSSY)
    assert caplog.messages == [f"{path} is animated; its first frame is used"]


@pytest.mark.parametrize("suffix", ["jpg", "mpo"])
def test_the_second_picture_in_a_phone_photo_is_ignored(
    suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    depth = [Image.new("RGB", (WIDTH, HEIGHT), "black")]
    path = saved(
        quarters(), tmp_path / f"a.{suffix}", format="MPO", save_all=True, append_images=depth, quality=95
    )
    np.testing.assert_allclose(pictures.centers(load_photo(path).rgb), EXPECTED, atol=LOSSY)
    assert not caplog.records


ODD: dict[str, tuple[dict[str, object], str, str]] = {
    # kind: options of a JPEG, its mode, the warning
    "garbage for a profile": (
        {"icc_profile": b"garbage"},
        "RGB",
        "its colour profile is damaged or of another kind and is ignored",
    ),
    "half a profile": (
        {"icc_profile": icc_profile(b"RGB", 2.2)[:200]},
        "RGB",
        "its colour profile is damaged or of another kind and is ignored",
    ),
    "RGB profile on CMYK": (
        {"icc_profile": icc_profile(b"RGB", 2.2)},
        "CMYK",
        "its colour profile is damaged or of another kind and is ignored",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_damaged_metadata_is_ignored_with_one_warning(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options, mode, warning = ODD[kind]
    path = saved(quarters().convert(mode), tmp_path / "a.jpg", quality=95, **options)
    with caplog.at_level(logging.WARNING):
        photo = load_photo(path)
    np.testing.assert_allclose(pictures.centers(photo.rgb), EXPECTED, atol=LOSSY)
    assert caplog.messages == [f"{path}: {warning}"]
    assert photo.focal_px is None


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01", b"Exif\0\0MM\0*"]
)
def test_damaged_exif_is_ignored(exif: bytes, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    photo = load_photo(saved(quarters(), tmp_path / "a.jpg", quality=95, exif=exif))
    np.testing.assert_allclose(pictures.centers(photo.rgb), EXPECTED, atol=LOSSY)
    assert photo.focal_px is None
    assert not recwarn.list


@pytest.mark.parametrize(("hidden", "cut_out"), [(0.0, False), (0.03, False), (0.3, True), (1.0, True)])
def test_round_corners_are_no_cut_out(hidden: float, cut_out: bool) -> None:
    alpha = np.ones((100, 100), np.float32)
    alpha[: round(100 * hidden)] = 0
    photo = Photo(np.zeros((100, 100, 3), np.uint8), alpha, None, Path("a.png"))
    assert photo.is_cut_out is cut_out
    assert not Photo(photo.rgb, None, None, Path("a.png")).is_cut_out


@pytest.mark.parametrize("name", ["a.JPG", "a.mpo", "b/a.heic", "a.b.jp2", "a.jxl", "a.tiff", "a.avif"])
def test_endings_distinguish_photos_from_videos(name: str) -> None:
    assert is_photo_name(name) and not is_video_name(name)
    assert is_video_name(f"{name}.mp4") and not is_photo_name(f"{name}.mp4")
    assert not is_photo_name(f"{name}.txt") and not is_video_name(f"{name}.txt")


def test_a_png_whose_profile_cannot_be_unpacked_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in pictures.quarters_rgb())
    path = tmp_path / "a.png"
    path.write_bytes(pictures.png((WIDTH, HEIGHT), 8, 2, rows, (b"iCCP", b"name\0\0no deflate")))
    np.testing.assert_allclose(pictures.centers(load_photo(path).rgb), EXPECTED, atol=0)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: its colour profile is damaged or of another kind and is ignored"
    ]
