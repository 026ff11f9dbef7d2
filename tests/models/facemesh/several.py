"""Photos of one head from several sides, drawn from the portrait's avatar, so that every camera is known.

The sides of its head are painted, as what the model itself made up there would be no test of it.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Camera, Gaussians, Photo, frontal_camera
from fastavatar.models import load_predictor
from fastavatar.rendering import render
from tests.portraits import portrait

SIZE_PX, FOCAL_PX, DISTANCE_M = 420, 1100.0, 1.2
WALL = (0.85, 0.92, 0.98)
MIDDLE_M = torch.tensor([0.0, -0.02, -0.04])


def camera_at(azimuth_deg: float, elevation_deg: float = 0.0) -> Camera:
    front = frontal_camera(DISTANCE_M, FOCAL_PX, SIZE_PX, SIZE_PX, MIDDLE_M)
    return front.orbited(azimuth_deg, elevation_deg, MIDDLE_M)


@cache
def painted_head() -> Gaussians:
    """The portrait's Gaussians with a head that is darker at the sides, in stripes."""
    head = load_predictor("facemesh").predict(portrait()).gaussians
    x, y, z = head.means.T
    side = (x.abs() > 0.055) & (z < 0.02) & (y > -0.1) & ((y / 0.012).floor() % 2 == 0)
    return replace(head, sh=torch.where(side[:, None, None], head.sh - 0.8, head.sh))


@cache
def photo_from(azimuth_deg: float, elevation_deg: float = 0.0, exposure: float = 1.0) -> Photo:
    """What a camera there would photograph, before a grey wall."""
    drawn = render(painted_head(), camera_at(azimuth_deg, elevation_deg), background=WALL).image.numpy()
    rgb = (np.clip(drawn * exposure, 0, 1) * 255).round().astype(np.uint8)
    name = Path(f"{azimuth_deg:+.0f}_{elevation_deg:+.0f}.png")
    return replace(portrait(), rgb=rgb, focal_px=FOCAL_PX, path=name)
