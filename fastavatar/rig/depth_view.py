"""What one camera sees of a head: how far away its surface is, pixel by pixel."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Camera, Gaussians
from fastavatar.geometry import Array, Bools, inside_polygon
from fastavatar.rendering import Render, frame_sphere, head_sphere, render

SOLID = 0.5
"""Alpha from which a pixel's depth counts."""
OPENING_DEPTH = 0.3
"""Depth about the surface drawn, in widths of an eye or mouth, at which Gaussians belong to what is in it."""
SIZE_PX = 512


@dataclass(frozen=True)
class DepthView:
    """A camera and the depths that it sees."""

    camera: Camera
    depth: Array
    """(H, W) along the optical axis; 0 where little is drawn."""

    @classmethod
    def of(cls, gaussians: Gaussians, camera: Camera) -> "DepthView":
        """The head among Gaussians (N) as `camera` sees it, whatever the size of its pictures."""
        closer = frame_sphere(camera.to("cpu", torch.float32), *head_sphere(gaussians), SIZE_PX)
        return cls(closer, depth_of(drawn_without_gradients(gaussians, closer)))

    def depth_at(self, pixels: Array | NDArray[np.float32]) -> Array:
        """Depths (N,) at pixels (N, 2 or more), of the nearest pixel outside of the picture."""
        rows, columns = (
            np.clip(pixels[:, axis], 0, self.depth.shape[1 - axis] - 1).astype(np.int64) for axis in (1, 0)
        )
        return np.asarray(self.depth[rows, columns])

    def sees(self, points: Array, behind: float) -> Bools:
        """Which (N,) of `points` (N, 3) lie at most `behind` behind the surface drawn."""
        pixels, depth = self._project(points)
        return np.asarray(depth < self.depth_at(pixels) + behind)

    def within(self, points: Array, polygon: Array) -> Bools:
        """Which (N,) of `points` (N, 3) lie within a polygon (M, 2) of pixels, at the surface drawn there."""
        pixels, depth = self._project(points)
        width = float(np.ptp(polygon[:, 0]) * np.median(depth) / float(self.camera.K[0, 0]))
        near = np.abs(depth - self.depth_at(pixels)) < OPENING_DEPTH * width
        return np.asarray(near & inside_polygon(pixels, polygon))

    def _project(self, points: Array) -> tuple[Array, Array]:
        pixels, depth = self.camera.project(torch.from_numpy(points).float())
        return pixels.double().numpy(), depth.double().numpy()


def drawn_without_gradients(gaussians: Gaussians, camera: Camera) -> Render:
    """The picture of Gaussians (N) over white."""
    with torch.no_grad():
        return render(gaussians, camera)


def depth_of(drawn: Render) -> Array:
    """Depths (H, W) of a picture, 0 where it is hardly covered."""
    return np.asarray(torch.where(drawn.alpha > SOLID, drawn.depth, 0.0).double().numpy())
