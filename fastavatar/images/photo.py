"""A photo as every consumer wants it: upright, sRGB, 8 bit, with the mask and focal length it brought."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Photo:
    """An upright photo in sRGB."""

    rgb: NDArray[np.uint8]
    """(H, W, 3), composited on white where the file had transparency."""
    alpha: NDArray[np.float32] | None
    """(H, W) coverage 0…1 from the file's alpha channel, None where it had none."""
    focal_px: float | None
    """Focal length in pixels of this picture from EXIF, None where the file does not say."""
    path: Path
    """Where it was read from."""

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.rgb.shape[0])


def load_photo(path: str | Path) -> Photo:
    """Read a photo; raises `InputError`, exit code 4, when it is missing, unreadable or unsafe."""
    raise NotImplementedError
