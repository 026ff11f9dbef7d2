"""Converts a decoded picture of any mode, colour encoding and transparency to 8-bit sRGB and alpha."""

import io
import logging

import numpy as np
from PIL import Image, ImageCms

from fastavatar.errors import InputError
from fastavatar.images import (
    ADOBE_RGB_GAMMA,
    ADOBE_RGB_PRIMARIES,
    DECODING_ERRORS,
    WHITE_CD_M2,
    Decoded,
    Encoding,
    bmp_profile,
    encoding_of_codes,
    encoding_of_png,
    heif_facts,
    jpeg2000_profile,
    png_chunks,
    png_cicp,
    to_srgb_from,
)

log = logging.getLogger(__name__)

BAD_PROFILE = "%s: its colour profile is damaged or of another kind and is ignored"
_MODE_OF_PROFILE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def split_alpha(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """The picture without transparency, in mode L, RGB or CMYK, and its 8-bit alpha, None if opaque.

    Raises `InputError` for grey of 32 bits.
    """
    if image.mode.startswith("I"):
        return _eight_bit(image, name), None
    if image.has_transparency_data:
        with_alpha = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return with_alpha.convert("RGB"), with_alpha.getchannel("A")
    return image if image.mode in ("L", "CMYK") else _rgb(image), None


def stated_encoding(decoded: Decoded, is_adobe_rgb: bool, name: str) -> bytes | Encoding | None:
    """The colour encoding that a file states: an ICC profile or an `Encoding`; None means sRGB.

    `is_adobe_rgb` is the statement of EXIF. A PNG's cICP has priority over its profile, as specified.
    """
    image, content = decoded.image, decoded.content
    cicp = png_cicp(content) if image.format == "PNG" else None
    if cicp is None and (profile := _profile(decoded, name)):
        return profile
    if image.format in ("HEIF", "AVIF"):
        cicp = (*codes, True) if (codes := heif_facts(content).cicp) else None
    if cicp is not None:
        encoding = encoding_of_codes(*cicp)
        if encoding is None:
            log.warning(
                "%s: its colours have the unknown codes %d and %d; they are read as sRGB",
                *(name, *cicp[:2]),
            )
        return encoding
    if image.format == "PNG" and "srgb" not in image.info:
        return encoding_of_png(image.info.get("gamma"), image.info.get("chromaticity"))
    return Encoding(ADOBE_RGB_PRIMARIES, ADOBE_RGB_GAMMA) if is_adobe_rgb else None


def to_srgb(image: Image.Image, encoding: bytes | Encoding | None, name: str) -> Image.Image:
    """A picture in mode L, RGB or CMYK as sRGB.

    A profile that is damaged or of another kind is ignored with a warning, and a warning says that an HDR
    picture was compressed.
    """
    if isinstance(encoding, Encoding) and not encoding.is_srgb:
        if encoding.is_hdr:
            log.warning(
                "%s is an HDR picture: light above %.0f cd/m² is compressed to fit sRGB", name, WHITE_CD_M2
            )
        return to_srgb_from(image.convert("RGB"), encoding)
    if isinstance(encoding, bytes):
        try:
            return _through_profile(image, encoding)
        except (ImageCms.PyCMSError, *DECODING_ERRORS) as error:
            log.warning(BAD_PROFILE, name)
            log.debug("%s: %r", name, error)
    return _rgb(image)


def on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """An RGB picture composited on white by its 8-bit alpha."""
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _profile(decoded: Decoded, name: str) -> bytes | None:
    """The file's ICC profile, also where Pillow passes it over; one that cannot be unpacked is warned of."""
    image = decoded.image
    found = image.info.get("icc_profile")
    if not found and image.format == "JPEG2000":
        found = jpeg2000_profile(decoded.content)
    if not found and image.format == "BMP":
        found = bmp_profile(decoded.content)
    if not found and image.format == "PNG" and any(k == b"iCCP" for k, _ in png_chunks(decoded.content)):
        log.warning(BAD_PROFILE, name)
    return found or None


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion would clip it."""
    levels = np.asarray(image)
    if levels.max() > 65535 or levels.min() < 0:
        raise InputError(f"cannot use {name}: its pixels have 32 bits; export it with 8 or 16 bits")
    return Image.fromarray(np.rint(levels.astype(np.float32) / 257).astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _MODE_OF_PROFILE[source.profile.xcolor_space.strip()]
    if (mode == "CMYK") != (image.mode == "CMYK"):
        raise ImageCms.PyCMSError(f"a profile for {mode} on a picture in {image.mode}")
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB" and _changes_nothing(transform):
        return _rgb(image)
    converted = ImageCms.applyTransform(image.convert(mode), transform)
    assert converted is not None  # None is returned only for a conversion in place
    return converted


def _rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB: itself where it is, as converting would copy it."""
    return image if image.mode == "RGB" else image.convert("RGB")


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a coarse grid of colours stays unchanged: most profiles are sRGB, and converting is slow."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
    through = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), transform))
    return bool(np.abs(through.astype(int) - grid).max() <= 1)
