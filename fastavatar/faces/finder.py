"""What every face finder is, and how one face is chosen among those it finds.

A finder that is added here works wherever a `FaceFinder` is taken.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Face
from fastavatar.errors import NoFaceError


class FaceFinder(Protocol):
    """Finds the faces in a photo."""

    @property
    def advice(self) -> str:
        """What photo helps where none is found, as a clause: "use …"."""

    def find(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """Every face in an upright photo (H, W, 3), from left to right."""


def find_face(finder: FaceFinder, rgb: NDArray[np.uint8], index: int | None = None) -> Face:
    """The face numbered `index` from the left in a photo (H, W, 3), the largest by default.

    Raises `NoFaceError` when there is none, or none with that number.
    """
    faces = finder.find(rgb)
    if not faces:
        height, width = rgb.shape[:2]
        raise NoFaceError(f"no face found in the photo ({width}×{height} px): {finder.advice}")
    return choose_face(faces, index)


def choose_face(faces: Sequence[Face], index: int | None = None) -> Face:
    """The face numbered `index` among one or more, the largest by default.

    Raises `NoFaceError` when there is none with that number.
    """
    if index is None:
        return max(faces, key=lambda face: face.area)
    if not 0 <= index < len(faces):
        raise NoFaceError(
            f"there is no face {index}: the photo shows {len(faces)}, numbered from 0 at the left"
        )
    return faces[index]
