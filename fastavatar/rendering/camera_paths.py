"""Ways a camera goes about a head. Each is a loop: the picture after the last is the first again."""

import math
from collections.abc import Callable
from typing import Literal, get_args

from torch import Tensor

from fastavatar.core import Camera
from fastavatar.errors import UsageError

PathName = Literal[
    "turntable",  # once around, toward the person's left
    "sway",  # from side to side, for a head whose back no photo shows
    "orbit",  # a flat circle before the face
]
PATHS: tuple[PathName, ...] = get_args(PathName)

SWAY_DEG = 35.0
ORBIT_DEG = (25.0, 12.0)
"""To the sides, and up and down."""

Angles = tuple[float, float]
"""Azimuth to the person's left and elevation, in degrees, from where the path's camera stands."""

_ANGLES: dict[str, Callable[[float], Angles]] = {
    "turntable": lambda turn: (math.degrees(turn), 0.0),
    "sway": lambda turn: (SWAY_DEG * math.sin(turn), 0.0),
    "orbit": lambda turn: (ORBIT_DEG[0] * math.sin(turn), ORBIT_DEG[1] * math.cos(turn)),
}


def path_angles(path: str, frames: int) -> list[Angles]:
    """The angles of each of `frames` pictures, evenly over one round; raises `UsageError` for a wrong one."""
    if path not in _ANGLES:
        raise UsageError(f"there is no camera path {path!r}; choose one of {', '.join(PATHS)}")
    if frames < 1:
        raise UsageError(f"a camera path has at least 1 picture, found {frames}")
    return [_ANGLES[path](2 * math.pi * index / frames) for index in range(frames)]


def cameras_along(
    path: str, frames: int, camera: Camera, target: Tensor, elevation_deg: float = 0.0
) -> list[Camera]:
    """`camera` swung about `target` (3,) along a path that is raised by `elevation_deg`.

    Raises `UsageError` for an unknown path or no pictures.
    """
    return [
        camera.orbited(azimuth_deg, elevation_deg + raised_deg, target)
        for azimuth_deg, raised_deg in path_angles(path, frames)
    ]
