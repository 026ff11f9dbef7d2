"""Photos whose colours are not sRGB, and whose file says so in another way than by an ICC profile."""

import io
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fastavatar.images.encodings import Encoding, encoding_of_codes, to_srgb_from
from fastavatar.images.photo import load_photo
from tests.images import pictures
from tests.images.pictures import HEIGHT, WIDTH, icc_profile, quarters_rgb

pillow_heif.register_heif_opener()

DISPLAY_P3, BT2020, SRGB = 12, 9, 1
SRGB_CURVE, PQ, HLG, LINEAR = 13, 16, 18, 8
EXPECTED = pictures.centers(quarters_rgb())
# From linear sRGB to linear RGB of other primaries, as published: CSS Color 4 (Display P3, by way of XYZ),
# Rep. ITU-R BT.2087 (BT.2020, inverted there), Adobe RGB (1998).
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_ADOBE = np.array([[0.7152, 0.2848, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0412, 0.9588]])


def light_of(srgb: NDArray[np.uint8] | NDArray[np.int64]) -> NDArray[np.float64]:
    values = srgb / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_curve(light: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def pq_curve(light: NDArray[np.float64], white_cd_m2: float = 203) -> NDArray[np.float64]:
    """SMPTE ST 2084: values of luminances."""
    power = (light * white_cd_m2 / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg_curve(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """BT.2100: the inverse of the display's gamma, then the OETF."""
    display = light * 203 / 1000
    luminance = display @ np.array([0.2627, 0.6780, 0.0593])
    scene = display * luminance[..., None] ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(12 * np.maximum(scene, 1 / 12) - 0.28466892) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright))


def stored(matrix: NDArray[np.float64], curve: Callable[..., NDArray[np.float64]]) -> Image.Image:
    """The four quarters in other primaries and with another curve."""
    values = curve(light_of(quarters_rgb()) @ matrix.T)
    return Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))


def heic(path: Path, image: Image.Image, primaries: int, transfer: int) -> None:
    codes: dict[str, Any] = {"color_primaries": primaries, "transfer_characteristics": transfer}
    image.save(path, quality=100, chroma=444, matrix_coefficients=6, full_range_flag=1, **codes)


def heic_10_bit(path: Path, matrix: NDArray[np.float64], curve: Callable[..., NDArray[np.float64]]) -> None:
    values = np.rint(curve(light_of(quarters_rgb()) @ matrix.T) * 65535).astype("<u2")
    file = pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), values.tobytes())
    codes = {"color_primaries": BT2020, "transfer_characteristics": PQ, "matrix_coefficients": 9}
    file.save(path, quality=100, chroma=444, full_range_flag=1, **codes)


def avif(path: Path, image: Image.Image, primaries: int, transfer: int) -> None:
    """Pillow writes sRGB's codes; others stand in their place."""
    file = io.BytesIO()
    image.save(file, "AVIF", quality=100, subsampling="4:4:4")
    written, wanted = struct.pack(">HH", 1, 13), struct.pack(">HH", primaries, transfer)
    assert file.getvalue().count(b"colrnclx" + written) == 1
    path.write_bytes(file.getvalue().replace(b"colrnclx" + written, b"colrnclx" + wanted))


def png(path: Path, image: Image.Image, *chunks: tuple[bytes, bytes]) -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(image))
    path.write_bytes(pictures.png(image.size, 8, 2, rows, *chunks))


def cicp(primaries: int, transfer: int, full_range: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, full_range])


def gama(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


def chrm(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


P3_CHROMATICITIES = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def adobe_jpeg(path: Path) -> None:
    """As cameras write it in their Adobe RGB mode, without a profile."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA001: 0xFFFF, 0xA005: {1: "R03"}})
    image = stored(TO_ADOBE, lambda light: light ** (256 / 563))
    image.save(path, quality=100, subsampling=0, exif=exif.tobytes())


def jp2_with_profile(path: Path) -> None:
    """The profile, with red and green exchanged, in the place of the number of a colour space."""
    file = io.BytesIO()
    Image.fromarray(quarters_rgb()[..., [1, 0, 2]]).save(file, "JPEG2000")
    content = file.getvalue()
    profile = icc_profile(b"RGB", 2.2, (b"gXYZ", b"rXYZ", b"bXYZ"))
    old = struct.pack(">I4sBBBI", 15, b"colr", 1, 0, 0, 16)
    new = struct.pack(">I4sBBB", 11 + len(profile), b"colr", 2, 0, 0) + profile
    at = content.index(b"jp2h") - 4
    (size,) = struct.unpack_from(">I", content, at)
    assert content.count(old) == 1
    content = content[:at] + struct.pack(">I", size + len(new) - len(old)) + content[at + 4 :]
    path.write_bytes(content.replace(old, new))


def bmp_with_profile(path: Path) -> None:
    """A header of version 5: 84 bytes more than the one that Pillow writes, the profile behind the pixels."""
    file = io.BytesIO()
    Image.fromarray(quarters_rgb()[..., [1, 0, 2]]).save(file, "BMP")
    content, profile = file.getvalue(), icc_profile(b"RGB", 2.2, (b"gXYZ", b"rXYZ", b"bXYZ"))
    pixels = content[54:]
    header = struct.pack("<I", 124) + content[18:54] + bytes(16) + b"DEBM" + bytes(48)
    header += struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
    start = struct.pack("<2sIII", b"BM", 14 + 124 + len(pixels) + len(profile), 0, 14 + 124)
    path.write_bytes(start + header + pixels + profile)


WIDE: dict[str, tuple[str, Callable[[Path], None], float, str]] = {
    # kind: file name, how to make it, tolerance in levels (for HDR in light), what the warning says
    "heic, Display P3 by nclx": (
        "a.heic",
        lambda p: heic(p, stored(TO_P3, srgb_curve), DISPLAY_P3, SRGB_CURVE),
        6,
        "",
    ),
    "heic, 8 bits of PQ": ("a.heic", lambda p: heic(p, stored(TO_2020, pq_curve), BT2020, PQ), 0.08, "HDR"),
    "heic, 10 bits of PQ": ("a.heic", lambda p: heic_10_bit(p, TO_2020, pq_curve), 0.04, "HDR"),
    "avif, Display P3 by nclx": (
        "a.avif",
        lambda p: avif(p, stored(TO_P3, srgb_curve), DISPLAY_P3, SRGB_CURVE),
        6,
        "",
    ),
    "avif, PQ": ("a.avif", lambda p: avif(p, stored(TO_2020, pq_curve), BT2020, PQ), 0.08, "HDR"),
    "avif, HLG": ("a.avif", lambda p: avif(p, stored(TO_2020, hlg_curve), BT2020, HLG), 0.04, "HDR"),
    "png, Display P3 by cICP": (
        "a.png",
        lambda p: png(p, stored(TO_P3, srgb_curve), cicp(DISPLAY_P3, SRGB_CURVE)),
        2,
        "",
    ),
    "png, PQ by cICP": ("a.png", lambda p: png(p, stored(TO_2020, pq_curve), cicp(BT2020, PQ)), 0.04, "HDR"),
    "png, cICP goes before a profile": (
        "a.png",
        lambda p: png(
            p,
            stored(TO_P3, srgb_curve),
            cicp(DISPLAY_P3, SRGB_CURVE),
            (b"iCCP", b"x\0\0" + zlib.compress(icc_profile(b"RGB", 1.0))),
        ),
        2,
        "",
    ),
    "png, limited range by cICP": (
        "a.png",
        lambda p: png(
            p,
            Image.fromarray(np.rint(quarters_rgb() * (219 / 255) + 16).astype(np.uint8)),
            cicp(SRGB, SRGB_CURVE, 0),
        ),
        2,
        "",
    ),
    "png, linear by gAMA": (
        "a.png",
        lambda p: png(p, stored(np.eye(3), lambda light: light), gama(1.0)),
        6,
        "",
    ),
    "png, of an old Mac by gAMA": (
        "a.png",
        lambda p: png(p, stored(np.eye(3), lambda light: light ** (1 / 1.8)), gama(1 / 1.8)),
        2,
        "",
    ),
    "png, Display P3 by cHRM": (
        "a.png",
        lambda p: png(p, stored(TO_P3, srgb_curve), gama(0.45455), chrm(*P3_CHROMATICITIES)),
        2,
        "",
    ),
    "png, sRGB goes before gAMA": (
        "a.png",
        lambda p: png(p, pictures.quarters(), (b"sRGB", b"\0"), gama(1.0), chrm(*P3_CHROMATICITIES)),
        0,
        "",
    ),
    "png, gAMA and cHRM of sRGB": (
        "a.png",
        lambda p: png(
            p, pictures.quarters(), gama(0.45455), chrm(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
        ),
        0,
        "",
    ),
    "png, senseless gAMA and cHRM": (
        "a.png",
        lambda p: png(p, pictures.quarters(), gama(0), chrm(0, 0, 0, 0, 0, 0, 0, 0)),
        0,
        "",
    ),
    "png, codes that are unknown": (
        "a.png",
        lambda p: png(p, pictures.quarters(), cicp(77, 99)),
        0,
        "its colours have the unknown codes 77 and 99; they are read as sRGB",
    ),
    "jpeg, Adobe RGB by EXIF": ("a.jpg", adobe_jpeg, 6, ""),
    "jp2, a profile": ("a.jp2", jp2_with_profile, 8, ""),
    "bmp, a profile": ("a.bmp", bmp_with_profile, 6, ""),
}


@pytest.mark.parametrize("kind", WIDE)
def test_colors_stated_without_a_usual_profile_become_srgb(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, make, tolerance, warning = WIDE[kind]
    make(tmp_path / name)
    rgb = load_photo(tmp_path / name).rgb
    if warning == "HDR":  # steps of 8 bits are wide in the dark, so light is compared instead of values
        np.testing.assert_allclose(light_of(pictures.centers(rgb)), light_of(EXPECTED), atol=tolerance)
    else:
        np.testing.assert_allclose(pictures.centers(rgb), EXPECTED, atol=tolerance)
    assert len(caplog.messages) == bool(warning)
    assert all(warning in message for message in caplog.messages)


@given(st.lists(st.integers(40, 255), min_size=3, max_size=3), st.sampled_from([PQ, HLG]))
def test_what_is_no_brighter_than_white_goes_there_and_back(color: list[int], transfer: int) -> None:
    curve = pq_curve if transfer == PQ else hlg_curve
    light = np.maximum(light_of(np.array(color, np.uint8)) @ TO_2020.T, 1e-9)
    values = np.rint(np.clip(curve(light), 0, 1) * 255).astype(np.uint8)
    encoding = encoding_of_codes(BT2020, transfer)
    assert encoding is not None
    back = np.asarray(to_srgb_from(Image.fromarray(np.tile(values, (2, 2, 1))), encoding))[0, 0]
    # 8 bits of PQ are steps of 2 % in light, and one channel of BT.2020 weighs on all of sRGB
    np.testing.assert_allclose(light_of(back), light_of(np.array(color)), atol=0.05)


def test_highlights_of_hdr_keep_their_order_and_stay_below_white() -> None:
    """A grey ramp to 4,000 cd/m²: brighter light gives a brighter value, dark light stays as it is."""
    nits = np.geomspace(1, 4000, 64)
    codes = np.rint(255 * pq_curve(nits / 203)).astype(np.uint8)
    ramp = Image.fromarray(np.repeat(np.repeat(codes[None, :, None], 3, 2), 2, 0))
    encoding = encoding_of_codes(BT2020, PQ)
    assert encoding is not None
    values = np.asarray(to_srgb_from(ramp, encoding))[0].astype(int)
    assert (values.max(1) - values.min(1) <= 1).all()  # grey stays grey
    grey = values[:, 1]
    assert (np.diff(grey) >= 0).all() and grey[-1] == 255
    assert grey[nits < 100][-1] < grey[nits > 203][0] < grey[nits > 1000][0] < 255
    at = int(np.abs(nits - 50).argmin())
    assert grey[at] == pytest.approx(255 * srgb_curve(np.array(nits[at] / 203)), abs=3)


def test_a_large_picture_is_converted_in_strips_without_a_seam() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (6000, 1, 3))
    out = np.asarray(to_srgb_from(Image.fromarray(ramp), Encoding(transfer=1.0)))
    assert (out == out[:1]).all()
    assert out[0, 128, 0] == round(255 * (1.055 * (128 / 255) ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("code", [0, 2, 3])
def test_unstated_codes_are_srgb(code: int) -> None:
    encoding = encoding_of_codes(code, code)
    assert encoding is not None and encoding.is_srgb and not math.isnan(encoding.primaries[0][0])
