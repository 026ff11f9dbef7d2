"""The content of a capture: views, and known points or a mesh of the head's true surface."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from fastavatar.core import Camera, Mesh


@dataclass(frozen=True)
class View:
    """One calibrated photograph, free of lens distortion."""

    name: str
    """Name of the view, distinct within the capture and valid as a file name."""
    image: Tensor
    """(H, W, 3) sRGB in 0…1, on white."""
    mask: Tensor
    """(H, W) coverage of the person in 0…1; all ones if the capture has neither mask nor transparency."""
    camera: Camera
    """At the image's size."""
    has_mask: bool = True
    """Whether `mask` comes from a mask file or from transparency."""


@dataclass(frozen=True)
class Capture:
    """The views and surfaces of a head at one time step, from a capture folder."""

    folder: Path
    """The folder it was read from."""
    views: Sequence[View]
    """The views in the order of their images' paths; their pictures are read when they are first used."""
    points: Tensor | None
    """(P, 3) known points of the head in metres: the FLAME triangles' centres, or COLMAP's points."""
    mesh: Mesh | None
    """The true surface, from `mesh.npz`."""
    flame: Mapping[str, Tensor]
    """FLAME parameters of the time step that was read, by name; empty where there are none."""
    files: frozenset[Path] = frozenset()
    """Every file that belongs to the capture, links resolved; no command may write to one."""
