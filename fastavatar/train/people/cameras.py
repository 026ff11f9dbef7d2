"""Where the cameras stand: as in the NeRSemble captures, or in a circle."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from fastavatar.core import Camera, frontal_camera
from fastavatar.geometry import Similarity

Arrangement = Literal[
    "nersemble",  # ±48° to the sides, in turn 13° above and 17° below
    "circle",  # all round, 5° above
]
_FOCAL_PX, _HEIGHT_PX = 2048.0, 802
"""Focal length of NeRSemble's cameras, for pictures of that height."""


@dataclass(frozen=True)
class Sight:
    """What cameras look at."""

    target: tuple[float, float, float] = (0.0, -0.012, -0.025)
    """Middle of the pictures, metres; by default between the eyes and the chin of the average head."""
    scale: float = 1.0
    """Size, relative to a head with its neck: cameras stand as many times further away."""


HEAD = Sight()


def carried(camera: Camera, motion: Similarity) -> Camera:
    """The camera that sees things moved by `motion`, without a change of size, as `camera` sees them."""
    back, pose = motion.inverse(), camera.world_to_camera.double()
    to_old = torch.eye(4, dtype=torch.float64)
    to_old[:3, :3], to_old[:3, 3] = torch.from_numpy(back.rotation), torch.from_numpy(back.translation)
    return replace(camera, world_to_camera=(pose @ to_old).to(camera.world_to_camera))


def place_cameras(
    arrangement: Arrangement,
    count: int,
    size: tuple[int, int],
    random: np.random.Generator,
    sight: Sight = HEAD,
) -> list[Camera]:
    """`count` cameras with pictures of `size`, width and height, 1.10 to 1.25 m from a head.

    As in a real rig, no two people have quite the same places: each camera is off by about a degree.
    """
    width, height = size
    focal = _FOCAL_PX * height / _HEIGHT_PX
    if arrangement == "circle":
        azimuths, elevations = np.arange(count) * 360 / count, np.full(count, 5.0)
    else:
        azimuths = np.linspace(47, -47, count) if count > 1 else np.zeros(1)
        elevations = np.where(np.arange(count) % 2, -16.0, 13.5)
    azimuths = azimuths + random.normal(0, 0.5, count)
    elevations = elevations + random.normal(0, 0.5, count)
    distances = sight.scale * (random.uniform(1.10, 1.25) + random.normal(0, 0.015, count))
    target = torch.tensor(sight.target)
    return [
        frontal_camera(float(distance), focal, width, height, target).orbited(
            float(azimuth), float(elevation), target
        )
        for azimuth, elevation, distance in zip(azimuths, elevations, distances, strict=True)
    ]
