"""A photo, upright and in 8-bit sRGB, with the alpha and the focal length of its file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CUT_OUT_SHARE = 0.05  # chosen by eye: round corners of a phone's screenshot cover less than 0.01


@dataclass(frozen=True)
class Photo:
    """An upright photo in sRGB."""

    rgb: NDArray[np.uint8]
    """(H, W, 3), composited on white where the file had transparency."""
    alpha: NDArray[np.float32] | None
    """(H, W) coverage 0…1 from the file's alpha channel; None if it has none or is fully opaque."""
    focal_px: float | None
    """Focal length in pixels of this picture from EXIF; None if the file states none."""
    path: Path
    """The file that the photo was read from."""
    at_seconds: float | None = None
    """Time of the frame in seconds if the file is a video; None for a photo."""
    scale: float = 1.0
    """Width of this picture over that of the file; below 1 if a frame of a video was reduced."""

    @property
    def name(self) -> str:
        """The photo's name in messages and summaries: its path, and for a frame of a video its time."""
        return f"{self.path}{self._at}"

    @property
    def stem(self) -> str:
        """The name without folder and ending, for files and tables about the photo."""
        return f"{self.path.stem}{self._at}"

    @property
    def _at(self) -> str:
        return "" if self.at_seconds is None else f" at {self.at_seconds:.2f} s"

    @property
    def is_cut_out(self) -> bool:
        """Whether the background is transparent; a screenshot's round corners do not count."""
        return self.alpha is not None and float((self.alpha < 0.5).mean()) > _CUT_OUT_SHARE

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.rgb.shape[0])
