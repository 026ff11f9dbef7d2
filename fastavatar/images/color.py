"""Any mode, profile and transparency → 8-bit sRGB and coverage."""

import io
import logging

import numpy as np
from PIL import Image, ImageCms

from fastavatar.images.decoding_errors import DECODING_ERRORS

log = logging.getLogger(__name__)

_MODE_OF_PROFILE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The picture without transparency in mode L, RGB or CMYK, and its 8-bit alpha, if it has any."""
    if image.mode.startswith("I"):
        return _eight_bit(image), None
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        return with_alpha.convert("RGB"), with_alpha.getchannel("A")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB"), None


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """The picture in sRGB; a profile that is damaged or of another kind is ignored with a warning."""
    if profile:
        try:
            return _through_profile(image, profile)
        except (ImageCms.PyCMSError, *DECODING_ERRORS) as error:
            log.warning("%s: its colour profile is damaged or of another kind and is ignored", name)
            log.debug("%s: %r", name, error)
    return image.convert("RGB")


def on_white(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """An RGB picture laid on white as its 8-bit alpha says."""
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey; Pillow's own conversion would clip it."""
    levels = np.clip(np.asarray(image).astype(np.float32) / 257.0, 0, 255)
    return Image.fromarray(np.rint(levels).astype(np.uint8))


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _MODE_OF_PROFILE[source.profile.xcolor_space.strip()]
    if (mode == "CMYK") != (image.mode == "CMYK"):
        raise ImageCms.PyCMSError(f"a profile for {mode} on a picture in {image.mode}")
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB" and _changes_nothing(transform):
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image.convert(mode), transform)
    assert converted is not None  # None only when asked to work in place
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a coarse grid of colours passes unchanged: most profiles are sRGB, and 12 MP take a while."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)
    through = np.asarray(ImageCms.applyTransform(Image.fromarray(grid), transform))
    return bool(np.abs(through.astype(int) - grid).max() <= 1)
