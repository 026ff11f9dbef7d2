"""Converts colour encodings that a file states by numbers, without an ICC profile, to sRGB."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.geometry import Array

Chromaticities = tuple[tuple[float, float], ...]
"""CIE 1931 (x, y) of red, green, blue and white."""

_D65 = (0.3127, 0.3290)
SRGB_PRIMARIES: Chromaticities = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
ADOBE_RGB_PRIMARIES: Chromaticities = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
ADOBE_RGB_GAMMA = 563 / 256  # Adobe RGB (1998) Color Image Encoding, 4.3.4.2

_PRIMARIES: dict[int, Chromaticities] = {  # Rec. ITU-T H.273, table 2
    1: SRGB_PRIMARIES,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),  # BT.2020
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # DCI-P3
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),  # Display P3
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
Transfer = float | Literal["srgb", "pq", "hlg"]
"""From stored values to light: the exponent of a power law, or the name of a curve."""
# Rec. ITU-T H.273, table 3. Screens and browsers show pictures with a camera's curve (BT.709 and similar:
# 1, 6, 7, 11, 12, 14, 15) with the curve of sRGB, and so does this table.
_TRANSFERS: dict[int, Transfer] = dict.fromkeys((1, 6, 7, 11, 12, 13, 14, 15), "srgb")
_TRANSFERS |= {4: 2.2, 5: 2.8, 8: 1.0, 16: "pq", 18: "hlg"}
_UNSTATED = (0, 2, 3)
"""Code points for unspecified primaries or transfer, which are read as sRGB, as on the web."""

WHITE_CD_M2 = 203.0
"""Luminance that becomes white: the reference level of HDR graphics (Rep. ITU-R BT.2408, 2.1)."""
_HLG_PEAK_CD_M2, _HLG_GAMMA = 1000.0, 1.2  # Rec. ITU-R BT.2100, table 5, note 5f
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_KNEE = 0.5
"""In HDR pictures, light above this share of white is compressed; chosen by eye."""
_STRIP_PIXELS = 1 << 20
"""Number of pixels that are converted at a time, so that a large photo needs little memory."""
_SAME = 0.004
"""Matrices and exponents closer than this give the same 8-bit colours."""


@dataclass(frozen=True)
class Encoding:
    """The meaning of 8-bit values: primaries, transfer curve and range."""

    primaries: Chromaticities = SRGB_PRIMARIES
    transfer: Transfer = "srgb"
    full_range: bool = True
    """Whether black is 0 and white 255; otherwise they are 16 and 235."""

    @property
    def is_hdr(self) -> bool:
        """Whether values can be brighter than white, so that a conversion to sRGB has to compress them."""
        return self.transfer in ("pq", "hlg")

    @property
    def is_srgb(self) -> bool:
        """Whether values in this encoding equal sRGB values."""
        same_matrix = float(np.abs(_to_srgb_primaries(self.primaries) - np.eye(3)).max()) < _SAME
        return self.full_range and self.transfer == "srgb" and same_matrix


def encoding_of_codes(primaries: int, transfer: int, full_range: bool = True) -> Encoding | None:
    """The encoding with these code points of H.273; None for unknown ones."""
    colors = SRGB_PRIMARIES if primaries in _UNSTATED else _PRIMARIES.get(primaries)
    curve = "srgb" if transfer in _UNSTATED else _TRANSFERS.get(transfer)
    return None if colors is None or curve is None else Encoding(colors, curve, full_range)


def encoding_of_png(gamma: float | None, chromaticities: tuple[float, ...] | None) -> Encoding | None:
    """The encoding of a PNG's gAMA and cHRM chunks; None if they are absent or implausible.

    `gamma` is the exponent from light to values; `chromaticities` (8,) are white, red, green, blue.
    """
    transfer: Transfer = "srgb"
    if gamma is not None and not 0.1 <= gamma <= 10:
        return None
    if gamma is not None and abs(gamma * 2.2 - 1) > 0.05:  # sRGB files state 1/2.2
        transfer = 1 / gamma
    primaries = SRGB_PRIMARIES
    if chromaticities is not None and len(chromaticities) == 8:
        white, red, green, blue = zip(chromaticities[::2], chromaticities[1::2], strict=True)
        primaries = (red, green, blue, white)
        if not _is_sound(primaries):
            return None
    return Encoding(primaries, transfer)


def to_srgb_from(image: Image.Image, encoding: Encoding) -> Image.Image:
    """An RGB picture in `encoding` as sRGB; light brighter than white is compressed, not clipped.

    Colours outside sRGB are clipped channel by channel.
    """
    stored = np.asarray(image)
    matrix = _to_srgb_primaries(encoding.primaries).astype(np.float32)
    rows = max(1, _STRIP_PIXELS // image.width)
    strips = [slice(top, top + rows) for top in range(0, image.height, rows)]
    peak = max(float(_light(stored[strip], encoding).max()) for strip in strips) if encoding.is_hdr else 1.0
    converted = np.empty_like(stored)
    for strip in strips:
        light = _light(stored[strip], encoding) @ matrix.T
        converted[strip] = _srgb_values(_compressed(light, peak) if peak > 1 else light)
    return Image.fromarray(converted)


def _light(values: NDArray[np.uint8], encoding: Encoding) -> NDArray[np.float32]:
    """Linear light (…, 3), white at 1, of stored values (…, 3)."""
    levels = np.arange(256, dtype=np.float64) / 255
    if not encoding.full_range:
        levels = np.clip((levels * 255 - 16) / 219, 0, 1)
    light: NDArray[np.float32] = _curve(levels, encoding.transfer).astype(np.float32)[values]
    if encoding.transfer == "hlg":  # the display's OOTF, which depends on luminance (BT.2100, table 5)
        luminance = light @ _LUMA_2020
        light *= (_HLG_PEAK_CD_M2 / WHITE_CD_M2) * luminance[..., None] ** (_HLG_GAMMA - 1)
    return light


def _curve(values: Array, transfer: Transfer) -> Array:
    """Light of values in 0…1; that of HLG is the scene's, in 0…1."""
    if transfer == "srgb":  # IEC 61966-2-1
        return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    if transfer == "pq":  # SMPTE ST 2084
        root = values ** (1 / 78.84375)
        nonlinear = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        return np.asarray(10_000 / WHITE_CD_M2 * nonlinear ** (1 / 0.1593017578125))
    if transfer == "hlg":  # BT.2100, table 5: the inverse OETF
        bright = (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(values <= 0.5, values**2 / 3, bright)
    return np.asarray(values**transfer)


def _compressed(light: NDArray[np.float32], peak: float) -> NDArray[np.float32]:
    """Light (…, 3) up to `peak` compressed into 0…1: unchanged up to the knee, hue kept above it.

    Above the knee the brightest channel follows Reinhard's extended curve (2002, equation 4), which has slope
    1 at the knee and maps `peak` to 1.
    """
    brightest = np.maximum(light.max(-1, keepdims=True), 1e-6)
    above = np.maximum(brightest - _KNEE, 0) / (1 - _KNEE)
    most = (peak - _KNEE) / (1 - _KNEE)
    kept = _KNEE + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above)
    return np.where(brightest > _KNEE, light * (kept / brightest), light)


def _srgb_values(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    light = np.clip(light, 0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(values * 255), np.uint8)


def _to_xyz(primaries: Chromaticities) -> Array:
    """(3, 3) from linear RGB to CIE XYZ with white at Y = 1 (SMPTE RP 177)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))


def _to_srgb_primaries(primaries: Chromaticities) -> Array:
    """(3, 3) from linear RGB of these primaries to that of sRGB; white becomes white (Bradford)."""
    cone = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    source, target = _to_xyz(primaries), _to_xyz(SRGB_PRIMARIES)
    gains = (cone @ target.sum(1)) / (cone @ source.sum(1))
    adapted = np.linalg.inv(cone) @ np.diag(gains) @ cone
    return np.asarray(np.linalg.inv(target) @ adapted @ source)


def _is_sound(primaries: Chromaticities) -> bool:
    """Whether chromaticities are plausible: inside the diagram, and white inside their triangle."""
    if not all(0 <= x <= 1 and 0.01 <= y <= 1 for x, y in primaries):
        return False
    try:
        matrix = _to_xyz(primaries)
    except np.linalg.LinAlgError:
        return False
    return bool(np.isfinite(matrix).all() and (matrix[1] > 0.01).all())
