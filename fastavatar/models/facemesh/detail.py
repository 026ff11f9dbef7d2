"""Points where a view sees the head, placed by the view's own pixels: fine where the picture has detail.

The points of a mesh are spread evenly over it; these are spread evenly over the picture, so that the avatar
shows in it what the photo shows, up to the edge of the person.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools, Ints, mean_around
from fastavatar.models.facemesh import HeadView
from fastavatar.rendering import Fragments

_LEAST_STEP_M = 0.0008
"""Distance between points where there is detail, on a picture that has more: finer points only cost."""
_COARSE = 2
"""Distance of points where there is no detail, as a multiple of the finest."""
_DETAIL = 0.02
"""Local contrast, in 0…1, from which there is detail; chosen by eye on skin and hair."""
_ONE_PIECE_M, _BESIDE_M = 0.03, 0.006
"""Standard deviation that smooths depths beside the mesh, and the distance from it where it sets in: locks
stay in one piece. Chosen by eye on four photos."""
_NEAR_M = 0.004
"""A ray that meets the plane of a pixel's triangle farther from its depth than this grazes the triangle."""


@dataclass(frozen=True)
class DetailPoints:
    """N points of a mesh that one view sees."""

    corners: Ints
    """(N, 3) vertices of each point's triangle."""
    weights: Array
    """(N, 3) barycentric coordinates in it."""
    means: Array
    """(N, 3) metres, head frame: where the pixel's ray meets the mesh, or beside it at the mesh's outline."""
    step_px: Array
    """(N,) distance to neighbouring points in the picture."""
    edge_px: Array
    """(N,) distance to the person's outline."""
    beside: Bools
    """(N,) which lie beside the mesh's outline."""

    def subset(self, index: Bools) -> "DetailPoints":
        """The points that `index` (N,) selects."""
        return DetailPoints(*(getattr(self, field.name)[index] for field in fields(self)))

    def at(self, values: Array) -> Array:
        """Values (N, C) at the points, from values (V, C) at the vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weights, values[self.corners]))


def detail_points(view: HeadView, seen: Fragments, vertices: Array, faces: Ints) -> DetailPoints:
    """The points that the view sees, as `seen` says, of the mesh (V, 3), (F, 3): one for each pixel or two.

    Where the person reaches beyond the mesh's outline, points go on at the outline's depth.
    """
    row, column, step_px = _pattern(view)
    r, c = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    pixels = np.stack([column, row], 1)
    depth, nearest = _depth_beside(view, seen)
    at, hit = (nearest[0][r, c], nearest[1][r, c]), seen.hit[r, c]
    corners, weights = faces[seen.face[at]], seen.weights[at]
    on_ray = _depth_on_ray(pixels, vertices[corners], depth[r, c], hit, view.camera)
    means = view.camera.unproject(torch.from_numpy(pixels), torch.from_numpy(on_ray)).numpy()
    return DetailPoints(corners, weights, means, step_px, view.edge_px[r, c], ~hit)


def _depth_beside(view: HeadView, seen: Fragments) -> tuple[Array, Ints]:
    """Depths (H, W) that go on beside the mesh, and the nearest pixel (2, H, W) that shows it.

    Near the mesh they are that pixel's; farther off, where the nearest pixel of a lock changes from chin to
    shoulder, they are smoothed.
    """
    apart_px, nearest = distance_transform_edt(~seen.hit, return_indices=True)
    depth = seen.depth[tuple(nearest)]
    # From the nearest pixel's depth to the smoothed one, over as much again as the distance where it sets in
    far = np.clip(apart_px * view.metres_per_px / _BESIDE_M - 1, 0, 1)
    beside = (view.mask > 0.5) & ~seen.hit
    smooth = mean_around(depth, beside, _ONE_PIECE_M / view.metres_per_px)
    return np.where(beside, (1 - far) * depth + far * smooth, depth), np.asarray(nearest, np.int64)


def _pattern(view: HeadView) -> tuple[Array, Array, Array]:
    """Rows, columns and steps (N,) of points over the person, in pixels."""
    fine = max(1.0, _LEAST_STEP_M / view.metres_per_px)
    gray = view.rgb.mean(2)
    # Local standard deviation of what is finer than two points
    contrast = np.sqrt(gaussian_filter((gray - gaussian_filter(gray, fine)) ** 2, fine))
    person, detailed = view.mask > 0.5, contrast > _DETAIL
    found = []
    for step, wanted in ((fine, detailed), (_COARSE * fine, ~detailed)):
        rows = np.arange(step / 2, person.shape[0], step)
        columns = np.arange(step / 2, person.shape[1], step)
        row, column = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
        here = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        kept = person[here] & wanted[here]
        found.append(np.stack([row[kept], column[kept], np.full(kept.sum(), step)]))
    return tuple(np.concatenate(found, 1))


def _depth_on_ray(pixels: Array, corners: Array, depth: Array, hit: Bools, camera: Camera) -> Array:
    """Depth (N,) at which rays through pixels (N, 2) meet the planes of triangles (N, 3, 3).

    `depth` (N,) is that of the triangle at the middle of a pixel; it stays where the triangle was not `hit`
    (N,), or is nearly edge-on.
    """
    # A ray c + t·r meets the plane n·(x − a) = 0 at t = n·(a − c) / n·r; rays have unit depth, so t is depth
    center = camera.center.numpy()
    rays = camera.unproject(torch.from_numpy(pixels), torch.ones(len(pixels), dtype=torch.float64)).numpy()
    rays = rays - center
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    along = (rays * normal).sum(1)
    meets = ((corners[:, 0] - center) * normal).sum(1) / np.where(np.abs(along) < 1e-12, 1e-12, along)
    return np.where(hit & (np.abs(meets - depth) < _NEAR_M), meets, depth)
