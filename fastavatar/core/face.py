"""What is known about one face in a photo."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Face:
    """One face among those in a photo."""

    index: int
    """Place among the photo's faces, counted from the left, from 0."""
    count: int
    """How many faces the photo shows."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels."""
    landmarks: NDArray[np.float32]
    """(478, 3) Face Mesh landmarks: x right, y down in pixels; z in the same unit, smaller is nearer.

    (0, 3) where the face was found by InsightFace, which gives no such landmarks.
    """
