"""Distances between the surface that a render shows and the true one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Camera, Mesh
from fastavatar.geometry import require_shape
from fastavatar.rendering import Render

Region = Literal[
    "face",  # in front of the ears, from the chin to the hairline
    "skull",  # the rest of the head, ears included
    "rest",  # neck and shoulders
]
REGIONS: tuple[Region, ...] = ("face", "skull", "rest")

# Borders of the regions in the head frame of FLAME captures, metres. The head ends at the plane through
# the underside of the chin (y = −0.105 at z = 0.03) and the nape (y = −0.065 at z = −0.13).
FACE_BEHIND_Z = -0.03
FACE_BELOW_Y = 0.06
NECK_Y_AT_0 = -0.0975
NECK_SLOPE = -0.25

# Every sixth pixel of every sixth row is measured: about 5,000 points for a view of 550×802.
PIXEL_STRIDE = 6
# A render shows a surface where its alpha exceeds this.
SOLID_ALPHA = 0.5


@dataclass(frozen=True)
class SurfaceErrors:
    """Distances of N points of the shown surface to the true one."""

    distances_mm: Tensor
    """(N,) millimetres."""
    regions: Tensor
    """(N,) index into `REGIONS` of the nearest point of the true surface."""

    def summary(self) -> dict[str, dict[str, float | int | None]]:
        """Mean, 90th percentile and count of the distances, millimetres, by region; None for no points."""
        result: dict[str, dict[str, float | int | None]] = {}
        for index, region in enumerate(REGIONS):
            d = self.distances_mm[self.regions == index].numpy()
            mean, p90 = (float(d.mean()), float(np.quantile(d, 0.9))) if len(d) else (None, None)
            result[region] = {"mean": mean, "p90": p90, "points": len(d)}
        return result


def pool(parts: list[SurfaceErrors]) -> SurfaceErrors:
    """The measurements of all views as one."""
    return SurfaceErrors(
        torch.cat([part.distances_mm for part in parts]), torch.cat([part.regions for part in parts])
    )


def surface_errors(shown: Render, camera: Camera, mesh: Mesh) -> SurfaceErrors:
    """Distances to the true mesh of the depth (H, W) of a render, where it covers at least half a pixel.

    Mesh and camera are in the same frame, metres.
    """
    height, width = shown.alpha.shape
    rows, columns = torch.meshgrid(
        torch.arange(0, height, PIXEL_STRIDE), torch.arange(0, width, PIXEL_STRIDE), indexing="ij"
    )
    alpha, depth = shown.alpha.cpu()[rows, columns], shown.depth.cpu()[rows, columns]
    covered = alpha > SOLID_ALPHA
    pixels = torch.stack([columns[covered], rows[covered]], -1) + 0.5
    points = camera.unproject(pixels.to(camera.K), depth[covered].to(camera.K))
    distances, nearest = mesh.nearest(points)
    return SurfaceErrors(distances * 1000, region_of(nearest))


def region_of(points: Tensor) -> Tensor:
    """(N,) index into `REGIONS` of points (N, 3) in the head frame, metres."""
    require_shape("points", points, None, 3)
    _, y, z = points.unbind(-1)
    below = y < NECK_Y_AT_0 + NECK_SLOPE * z
    face = (z > FACE_BEHIND_Z) & (y < FACE_BELOW_Y)
    on_head = torch.where(face, REGIONS.index("face"), REGIONS.index("skull"))
    return torch.where(below, REGIONS.index("rest"), on_head)
