"""Kinds of TIFF that Pillow opens but does not decode as they are meant."""

import numpy as np
from PIL import Image

from fastavatar.errors import InputError

BITS_TAG, COMPRESSION_TAG, PHOTOMETRIC_TAG, PLANAR_TAG, DNG_VERSION_TAG = 258, 259, 262, 284, 50706
"""Tags of TIFF (revision 6.0, section 8) and DNG."""
WHITE_IS_ZERO, UNCOMPRESSED, CHANNELS_APART = 0, 1, 2
"""Values of the tags for the photometric interpretation, the compression and the planar configuration."""


def require_usable_tiff(image: Image.Image, name: str) -> None:
    """Raise `InputError` for kinds of TIFF that Pillow opens and then decodes wrongly or without scale."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    if DNG_VERSION_TAG in tags:
        raise InputError(f"cannot read {name}: it is a raw photo (DNG); export it as JPEG")
    if image.mode == "I":
        raise InputError(
            f"cannot use {name}: its pixels are signed or have 32 bits; export it with 8 or 16 bits"
        )
    apart = tags.get(PLANAR_TAG) == CHANNELS_APART and tags.get(COMPRESSION_TAG) == UNCOMPRESSED
    if apart and max(tags.get(BITS_TAG, (1,))) > 8:  # Pillow takes the two bytes of a level for two pixels
        raise InputError(
            f"cannot use {name}: its channels of 16 bits lie apart; export it with interleaved channels"
        )


def make_zero_black(image: Image.Image) -> None:
    """Invert 16-bit grey of a TIFF whose 0 is white, in place; Pillow does that for 8 bits only."""
    is_tiff = image.format == "TIFF" and image.mode == "I;16"
    if is_tiff and image.tag_v2.get(PHOTOMETRIC_TAG) == WHITE_IS_ZERO:  # type: ignore[attr-defined]
        image.frombytes(np.subtract(65535, np.asarray(image), dtype=np.uint16).tobytes())
