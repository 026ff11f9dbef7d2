"""Loads a photo from a file of any common format."""

from pathlib import Path

import numpy as np

from fastavatar.core import Photo
from fastavatar.errors import InputError
from fastavatar.images import focal_length_px, on_white, read_exif, split_alpha, stated_encoding, to_srgb
from fastavatar.images.decode import decode, failures_in_one_line, shown


def load_photo(path: str | Path) -> Photo:
    """Read a photo, of any kind in `KNOWN`, any mode and up to 16 bits, as upright sRGB (H, W, 3).

    ```
    file ─ decode ─▶ stored pixels ─ EXIF ─▶ upright ─ split ─┬▶ colours ─ encoding ─▶ sRGB ─┬▶ on white
                                                              └▶ alpha ─────────────────────┘
    ```

    Raises `InputError` when the file is missing, unreadable, unsafe or wholly transparent.
    """
    path = Path(path)
    name = shown(path)
    with failures_in_one_line(name):
        decoded = decode(path)
        exif = read_exif(decoded, name)
        encoding = stated_encoding(decoded, exif.is_adobe_rgb, name)
        image = decoded.image if exif.uprighting is None else decoded.image.transpose(exif.uprighting)
        focal_px = focal_length_px(exif.tags, *image.size)
        colors, alpha = split_alpha(image, name)
        rgb = to_srgb(colors, encoding, name)
        if alpha is None or alpha.getextrema() == (255, 255):
            return Photo(np.array(rgb), None, focal_px, path)
        if alpha.getextrema() == (0, 0):
            raise InputError(f"cannot use {name}: it is wholly transparent; export it with its background")
        coverage = np.asarray(alpha, np.float32) / np.float32(255)
        return Photo(np.array(on_white(rgb, alpha)), coverage, focal_px, path)
