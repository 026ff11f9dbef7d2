"""Reads orientation, focal length and colour space from a picture's EXIF."""

import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import ExifTags, Image

from fastavatar.images import DECODING_ERRORS, Decoded, heif_facts, jpeg_xl_size

log = logging.getLogger(__name__)

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}
"""Millimetres in one FocalPlaneResolutionUnit: inch, centimetre, millimetre, micrometre."""
INCH = 2
SRGB, ADOBE_RGB = 1, 2
"""Values of EXIF's ColorSpace; the second is not in the standard, but some cameras write it."""
CREDIBLE_FOCAL = (0.2, 40.0)
"""Range of plausible focal lengths, in lengths of the picture's longer side: a fisheye to a 1,400 mm lens."""
SAME_ASPECT = 0.02
"""Relative difference of aspect ratios up to which a picture counts as uncropped; chosen by eye."""

_UPRIGHTING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Exif:
    """The facts of EXIF that are used."""

    uprighting: Image.Transpose | None = None
    """The transposition that makes the decoded picture upright; None if it is upright."""
    tags: Mapping[int, object] = field(default_factory=dict)
    """The camera's tags by number."""
    is_adobe_rgb: bool = False
    """Whether EXIF states that the colours are Adobe RGB, without a profile (DCF 2.0)."""


def read_exif(decoded: Decoded, name: str) -> Exif:
    """The facts of a decoded picture; damaged tags are ignored with a warning that mentions `name`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = decoded.image.getexif()
            tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
            interoperability = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
            orientation = _orientation(decoded, exif.get(ExifTags.Base.Orientation, 1))
    except DECODING_ERRORS as error:
        log.warning("%s: its EXIF is damaged and ignored", name)
        log.debug("%s: %r", name, error)
        return Exif()
    color_space = tags.get(ExifTags.Base.ColorSpace)
    is_adobe_rgb = color_space == ADOBE_RGB or (color_space != SRGB and interoperability == "R03")
    return Exif(_UPRIGHTING.get(orientation), tags, is_adobe_rgb)


def _orientation(decoded: Decoded, stated: int) -> int:
    """Orientation of the decoded pixels, 1 to 8, if Pillow's EXIF has the orientation `stated`.

    Decoders of HEIF and JPEG XL apply the rotation in the file, and Pillow reports that of AVIF; EXIF then
    repeats it. EXIF counts only if the file itself states no rotation.
    """
    image, content = decoded.image, decoded.content
    if image.format == "HEIF":
        return 1 if heif_facts(content).turned else image.info.get("original_orientation") or 1
    if image.format == "AVIF" and not heif_facts(content).turned:
        import pillow_heif  # Pillow overwrites the orientation in the EXIF of an AVIF file

        return pillow_heif.set_orientation(dict(pillow_heif.open_heif(content).info)) or 1
    if image.format == "JXL" and not getattr(
        image, "jpeg", False
    ):  # a JPEG inside is decoded without rotation
        size = jpeg_xl_size(content)
        return stated if size is not None and size[2] == 1 else 1
    return stated


def focal_length_px(tags: Mapping[int, object], width: int, height: int) -> float | None:
    """Focal length in pixels of a picture decoded at `width` × `height`; None if the tags state none.

    The film-equivalent length relates to the diagonal (CIPA DC-008), so rotation and size do not matter. The
    resolution of the focal plane refers to the picture as taken, so it is scaled by the ratio of sizes. The
    result is also None if the aspect ratio shows that the picture was cropped later.
    """
    taken = [_number(tags, tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)]
    taken_long, taken_short = max(taken), min(taken)
    long, short = max(width, height), min(width, height)
    if taken_short > 0 and abs(taken_long * short / (taken_short * long) - 1) > SAME_ASPECT:
        return None
    film_mm = _number(tags, ExifTags.Base.FocalLengthIn35mmFilm)
    if film_mm > 0:
        focal_px = film_mm / FILM_DIAGONAL_MM * math.hypot(width, height)
    else:
        pixels_per_unit = _number(tags, ExifTags.Base.FocalPlaneXResolution)
        unit = int(_number(tags, ExifTags.Base.FocalPlaneResolutionUnit)) or INCH
        shrunk = long / taken_long if taken_long > 0 else 1.0
        focal_mm = _number(tags, ExifTags.Base.FocalLength)
        focal_px = focal_mm * pixels_per_unit / MM_PER_UNIT.get(unit, math.inf) * shrunk
    least, most = CREDIBLE_FOCAL
    return focal_px if least * long <= focal_px <= most * long else None


def _number(tags: Mapping[int, object], tag: int) -> float:
    """The tag as a finite number; 0, which means unknown in EXIF, if it is absent or no number."""
    try:
        number = float(tags.get(tag, 0))  # type: ignore[arg-type] # float() decides
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) else 0.0
