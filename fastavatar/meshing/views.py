"""DepthViews of Gaussians from all round: colours, and the depths of what a camera sees well."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter
from torch import Tensor
from torch.nn.functional import max_pool2d

from fastavatar.core import Camera, Gaussians
from fastavatar.geometry import Array
from fastavatar.rendering import Floats, Render, facing_camera, render, whole_sphere

RINGS = ((0.0, 16), (30.0, 12), (60.0, 6), (90.0, 1))
"""Elevations in degrees, and the number of cameras evenly round each: 22.5° apart at eye level."""
RINGS_BELOW = ((-25.0, 12),)
"""Cameras that look up at chin, nose and ears."""
AROUND = 12
"""Cameras at eye level for a fitted head, whose shape is known; none in front, where the photo's is."""
SIZE_PX = 640
"""Side of the pictures: 0.7 mm a pixel for a bust of 0.4 m."""
COARSE = 4
"""Pixels of a picture along one of the coarse picture that tells front from back."""
DEEP = 0.1
"""Depth behind the surface, in radii of the scene, from which on Gaussians are its back: 2 cm of a bust,
whose depths are the same for 1 to 4 cm."""
SOLID_ALPHA = 0.5
"""Share of a pixel that Gaussians must cover to be a surface; what covers less than `CLEAR_ALPHA` is none."""
CLEAR_ALPHA = 0.1
GRAZING_JUMP_PX = 6.0
"""Pixels with a larger step of depth between their neighbours, in pixels, are no surface: they mix what is
before an edge with what is behind, or turn away by more than 70°."""
UNKNOWN = 0.0
"""Depth of pixels that say nothing; what no Gaussian covers has infinite depth."""


@dataclass(frozen=True)
class DepthViews:
    """What V cameras see of Gaussians."""

    cameras: tuple[Camera, ...]
    """All of one size."""
    rgb: NDArray[np.uint8]
    """(V, H, W, 3) sRGB of what covers a pixel, without background."""
    depth: Floats
    """(V, H, W) along the optical axis, metres; `UNKNOWN`, or infinite where the view is clear."""
    cosine: Floats
    """(V, H, W) of the angle between the surface's normal and the optical axis, from the depths."""

    def __getitem__(self, chosen: slice) -> "DepthViews":
        """The chosen views, which share their memory with these."""
        return DepthViews(self.cameras[chosen], self.rgb[chosen], self.depth[chosen], self.cosine[chosen])

    def poses(self) -> Array:
        """(V, 3, 4) transforms from the head frame to each camera's axes."""
        return np.stack([camera.world_to_camera.double().cpu().numpy()[:3] for camera in self.cameras])

    def lenses(self) -> Array:
        """(V, 4) focal lengths along x and y and principal points, pixels."""
        K = np.stack([camera.K.double().cpu().numpy() for camera in self.cameras])
        return np.ascontiguousarray(K[:, [0, 1, 0, 1], [0, 1, 2, 2]])


def views_all_round(gaussians: Gaussians) -> tuple[DepthViews, int]:
    """The views from the sides and above, then those from below, and how many the first are."""
    center, radius_m = whole_sphere(gaussians)
    front = facing_camera(center, radius_m, SIZE_PX)

    def on(rings: Sequence[tuple[float, int]]) -> list[Camera]:
        return [
            front.orbited(360 * index / count, elevation_deg, center)
            for elevation_deg, count in rings
            for index in range(count)
        ]

    sides, below = on(RINGS), on(RINGS_BELOW)
    return views_of(gaussians, [*sides, *below], DEEP * radius_m), len(sides)


def views_around(gaussians: Gaussians) -> DepthViews:
    """What `AROUND` cameras at eye level see."""
    center, radius_m = whole_sphere(gaussians)
    front = facing_camera(center, radius_m, SIZE_PX)
    turns = [360 * (index + 0.5) / AROUND for index in range(AROUND)]
    return views_of(gaussians, [front.orbited(turn, 0.0, center) for turn in turns])


def views_of(gaussians: Gaussians, cameras: Sequence[Camera], deep_m: float = math.inf) -> DepthViews:
    """What the cameras see, drawn with only those Gaussians that lie less than `deep_m` behind the surface.

    Almost opaque Gaussians let 3 % of what is behind them through. Of the back of a head that is little
    colour, but it moves the mean depth by several millimetres.
    """
    size = (len(cameras), cameras[0].height, cameras[0].width)
    found = DepthViews(
        tuple(cameras),
        np.zeros((*size, 3), np.uint8),
        np.zeros(size, np.float32),
        np.zeros(size, np.float32),
    )
    for index, camera in enumerate(cameras):
        near = gaussians if deep_m == math.inf else gaussians.subset(_in_front(gaussians, camera, deep_m))
        drawn = _drawn(near, camera)
        alpha, depth = drawn.alpha.cpu().numpy(), drawn.depth.cpu().numpy()
        rgb = drawn.image.cpu().numpy() / np.maximum(alpha, 1e-3)[..., None]
        found.rgb[index] = (rgb.clip(0, 1) * 255).round()
        found.depth[index], found.cosine[index] = _depth_and_cosine(alpha, depth, float(camera.K[0, 0]))
    return found


def _depth_and_cosine(alpha: Floats, depth: Floats, focal_px: float) -> tuple[Floats, Floats]:
    """Depths (H, W) where a view is sure of them, as `DepthViews` has them, and cosines (H, W)."""
    size_m = np.maximum(depth, 1e-9) / focal_px  # of a pixel at its depth
    nearest, farthest = minimum_filter(depth, 3, mode="nearest"), maximum_filter(depth, 3, mode="nearest")
    smooth = minimum_filter(alpha, 3, mode="nearest") > SOLID_ALPHA
    smooth &= farthest - nearest < GRAZING_JUMP_PX * size_m
    clear = maximum_filter(alpha, 3, mode="nearest") < CLEAR_ALPHA
    known = np.where(smooth, depth, np.where(clear, np.inf, UNKNOWN)).astype(np.float32)
    # 1/√(1 + |∇z|²) of the slope per metre along the picture
    down, across = np.gradient(depth)
    return known, np.asarray(1 / np.sqrt(1 + (down**2 + across**2) / size_m**2), np.float32)


def _in_front(gaussians: Gaussians, camera: Camera, deep_m: float) -> Tensor:
    """(N,) which Gaussians are less than `deep_m` behind the surface of a coarse picture."""
    low = camera.resized(camera.width // COARSE, camera.height // COARSE).to(gaussians.means.device)
    coarse = _drawn(gaussians, low)
    # The farthest of the pixels around: beside an edge a Gaussian may belong to what is behind
    depth = torch.where(coarse.alpha > SOLID_ALPHA, coarse.depth, torch.inf)
    depth = max_pool2d(depth[None, None], 3, stride=1, padding=1)[0, 0]
    pixels, z = low.to(gaussians.means.device, gaussians.means.dtype).project(gaussians.means)
    last = torch.tensor([low.width - 1, low.height - 1]).to(pixels)
    column, row = pixels.nan_to_num(0).clamp(torch.zeros_like(last), last).long().unbind(1)
    return z < depth[row, column] + deep_m


def _drawn(gaussians: Gaussians, camera: Camera) -> Render:
    with torch.no_grad():
        return render(gaussians, camera.to(gaussians.means.device), (0.0, 0.0, 0.0))
