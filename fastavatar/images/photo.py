"""A photo as every consumer wants it: upright, sRGB, 8 bit, with the mask and focal length it brought."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.images.color import on_white, split_alpha, to_srgb
from fastavatar.images.decode import decode, shown
from fastavatar.images.exif import focal_length_px, read_exif

_CUT_OUT_SHARE = 0.05


@dataclass(frozen=True)
class Photo:
    """An upright photo in sRGB."""

    rgb: NDArray[np.uint8]
    """(H, W, 3), composited on white where the file had transparency."""
    alpha: NDArray[np.float32] | None
    """(H, W) coverage 0…1 from the file's alpha channel, None where it had none or is opaque throughout."""
    focal_px: float | None
    """Focal length in pixels of this picture from EXIF, None where the file does not say."""
    path: Path
    """Where it was read from."""

    @property
    def is_cut_out(self) -> bool:
        """Whether transparency takes the person out of a background; a screenshot's round corners do not."""
        return self.alpha is not None and float((self.alpha < 0.5).mean()) > _CUT_OUT_SHARE

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.rgb.shape[0])


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
