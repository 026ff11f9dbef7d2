"""Facts from a picture's EXIF: its orientation, its focal length, its colour space."""

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
"""Values of EXIF's ColorSpace; the second is no standard, but what some cameras write."""
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
    """The tags that matter here."""

    uprighting: Image.Transpose | None = None
    """The step that turns the decoded picture upright, None where it is upright already."""
    tags: Mapping[int, object] = field(default_factory=dict)
    """The camera's tags by number."""
    is_adobe_rgb: bool = False
    """Whether the camera stored Adobe RGB and says so by EXIF alone, as DCF 2.0 has it."""


def read_exif(decoded: Decoded, name: str) -> Exif:
    """Tags of a decoded picture; damaged ones are left out with a warning that mentions `name`."""
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
    """How the decoded pixels stand, 1 to 8, where Pillow's EXIF has the orientation `stated`.

    Decoders of HEIF and JPEG XL apply the file's own turn, and Pillow reports that of AVIF; EXIF then repeats
    it. Only where a file itself states no turn does its EXIF count.
    """
    image, content = decoded.image, decoded.content
    if image.format == "HEIF":
        return 1 if heif_facts(content).turned else image.info.get("original_orientation") or 1
    if image.format == "AVIF" and not heif_facts(content).turned:
        import pillow_heif  # Pillow overwrites the orientation in the EXIF of an AVIF file

        return pillow_heif.set_orientation(dict(pillow_heif.open_heif(content).info)) or 1
    if image.format == "JXL" and not getattr(image, "jpeg", False):  # a JPEG inside comes as it was stored
        size = jpeg_xl_size(content)
        return stated if size is not None and size[2] == 1 else 1
    return stated


def focal_length_px(tags: Mapping[int, object], width: int, height: int) -> float | None:
    """Focal length in pixels of a picture decoded at `width` × `height`, None where the tags do not say.

    The film-equivalent length relates to the diagonal (CIPA DC-008), so neither a turn nor a change of
    size matters to it. The resolution of the focal plane counts the pixels of the picture as taken, so it
    is scaled by the sizes. None too for a picture whose aspect ratio shows that it was cropped later.
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
    """The tag as a finite number, 0 where it is absent or no number: EXIF writes 0 for unknown."""
    try:
        number = float(tags.get(tag, 0))  # type: ignore[arg-type] # float() decides
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) else 0.0
