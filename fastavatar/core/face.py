"""One face in a photo, as every face finder returns it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


def _no_landmarks() -> NDArray[np.float32]:
    return np.empty((0, 3), np.float32)


def _no_embedding() -> NDArray[np.float32]:
    return np.empty(0, np.float32)


@dataclass(frozen=True)
class Face:
    """One face among those in a photo."""

    index: int
    """Index among the photo's faces, counted from the left, from 0."""
    count: int
    """Number of faces in the photo."""
    box: Box
    landmarks: NDArray[np.float32] = field(default_factory=_no_landmarks)
    """(478, 3) Face Mesh landmarks: x right, y down in pixels; z in the same unit, smaller is nearer.

    (0, 3) from a finder that gives no such landmarks.
    """
    embedding: NDArray[np.float32] = field(default_factory=_no_embedding)
    """(512,) ArcFace embedding, not normalised; (0,) from a finder that computes none."""
    expression: Mapping[str, float] = field(default_factory=dict)
    """Weights 0…1 of 51 of the 52 expressions of ARKit by their names, all but `tongueOut`.

    Empty from a finder that judges none.
    """

    @property
    def area(self) -> float:
        """Square pixels that the box covers; 0 for an inverted box."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)
