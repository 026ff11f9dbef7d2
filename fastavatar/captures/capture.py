"""What a capture holds: views, and what is known of the head's true surface."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fastavatar.core import Camera, Mesh


@dataclass(frozen=True)
class View:
    """One calibrated photograph, free of lens distortion."""

    name: str
    """File name of the image without its ending; views are sorted by it."""
    image: Tensor
    """(H, W, 3) sRGB in 0…1, on white."""
    mask: Tensor
    """(H, W) the person's coverage in 0…1; all ones where the capture has neither mask nor transparency."""
    camera: Camera
    """At the image's size."""


@dataclass(frozen=True)
class Capture:
    """All that a capture folder holds about one head in one pose."""

    folder: Path
    """Where it was read from."""
    views: tuple[View, ...]
    """In the order of their names."""
    points: Tensor | None
    """(P, 3) known points of the head in metres: the FLAME triangles' centres, or COLMAP's points."""
    mesh: Mesh | None
    """The true surface, from `mesh.npz`."""
    flame: Mapping[str, Tensor]
    """FLAME parameters of the capture's first frame by name; empty where there are none."""
