"""`load_photo`: a file of any common format to an upright sRGB `Photo`."""

from pathlib import Path

import numpy as np

from fastavatar.core import Photo
from fastavatar.errors import InputError
from fastavatar.images.color import on_white, split_alpha, to_srgb
from fastavatar.images.decode import decode, shown
from fastavatar.images.exif import focal_length_px, read_exif


def load_photo(path: str | Path) -> Photo:
    """Read a photo: JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF, of any mode and up to 16 bits.

    ```
    file ─ decode ─▶ stored pixels ─ EXIF ─▶ upright ─ split ─┬▶ colours ─ ICC ─▶ sRGB ─┬▶ on white
                                                              └▶ alpha ────────────────┘
    ```

    Raises `InputError`, exit code 4, when it is missing, unreadable, unsafe or wholly transparent.
    """
    path = Path(path)
    name = shown(path)
    image = decode(path)
    profile = image.info.get("icc_profile")
    exif = read_exif(image, name)
    if exif.uprighting is not None:
        image = image.transpose(exif.uprighting)
    focal_px = focal_length_px(exif.tags, *image.size)
    colors, alpha = split_alpha(image)
    rgb = to_srgb(colors, profile, name)
    if alpha is None or alpha.getextrema() == (255, 255):
        return Photo(np.array(rgb), None, focal_px, path)
    if alpha.getextrema() == (0, 0):
        raise InputError(f"cannot use {name}: it is wholly transparent; export it with its background")
    coverage = np.asarray(alpha, np.float32) / np.float32(255)
    return Photo(np.array(on_white(rgb, alpha)), coverage, focal_px, path)
