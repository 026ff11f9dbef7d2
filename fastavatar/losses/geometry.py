"""How far the surface that a render shows lies from the true one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.captures import Mesh
from fastavatar.core import Camera
from fastavatar.geometry.shapes import require_shape
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

# Every sixth pixel both ways is measured: about 5,000 points a view of 550×802.
PIXEL_STRIDE = 6
# A render shows a surface where it covers this much.
SOLID_ALPHA = 0.5


@dataclass(frozen=True)
class SurfaceErrors:
    """Distances of shown surface points to the true surface."""

    distances_mm: Tensor
    """(N,) millimetres."""
    regions: Tensor
    """(N,) index into `REGIONS` of the true surface's nearest point."""

    def summary(self) -> dict[str, dict[str, float | int | None]]:
        """Mean, 90th percentile and count by region; None where a region was not seen."""
        result: dict[str, dict[str, float | int | None]] = {}
        for index, region in enumerate(REGIONS):
            d = self.distances_mm[self.regions == index].numpy()
            mean, p90 = (float(d.mean()), float(np.quantile(d, 0.9))) if len(d) else (None, None)
            result[region] = {"mean": mean, "p90": p90, "points": len(d)}
        return result


def pool(parts: list[SurfaceErrors]) -> SurfaceErrors:
    """All measurements together."""
    return SurfaceErrors(
        torch.cat([part.distances_mm for part in parts]), torch.cat([part.regions for part in parts])
    )


def surface_errors(shown: Render, camera: Camera, mesh: Mesh) -> SurfaceErrors:
    """The render's depth, unprojected wherever it covers half a pixel, against the true mesh."""
    height, width = shown.alpha.shape
    rows, columns = torch.meshgrid(
        torch.arange(0, height, PIXEL_STRIDE), torch.arange(0, width, PIXEL_STRIDE), indexing="ij"
    )
    alpha, depth = shown.alpha.cpu()[rows, columns], shown.depth.cpu()[rows, columns]
    covered = alpha > SOLID_ALPHA
    pixels = torch.stack([columns[covered], rows[covered]], -1) + 0.5
    points = camera.unproject(pixels.to(camera.K), depth[covered].to(camera.K))
    distances, nearest = distance_to_mesh(points, mesh)
    return SurfaceErrors(distances * 1000, region_of(nearest))


def region_of(points: Tensor) -> Tensor:
    """(N,) index into `REGIONS` of points (N, 3) in the head frame, metres."""
    require_shape("points", points, None, 3)
    _, y, z = points.unbind(-1)
    below = y < NECK_Y_AT_0 + NECK_SLOPE * z
    face = (z > FACE_BEHIND_Z) & (y < FACE_BELOW_Y)
    on_head = torch.where(face, REGIONS.index("face"), REGIONS.index("skull"))
    return torch.where(below, REGIONS.index("rest"), on_head)


def distance_to_mesh(points: Tensor, mesh: Mesh) -> tuple[Tensor, Tensor]:
    """Distances (N,) of points (N, 3) to a mesh, metres, and its points (N, 3) nearest to them; exact.

    The nearest vertex bounds the distance; only triangles that could come nearer are then tried, those of
    about one size together, so that a few large ones do not widen the search for all.
    """
    require_shape("points", points, None, 3)
    queries = points.double().numpy()
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    vertices = corners.reshape(-1, 3)
    distances, index = cKDTree(vertices).query(queries)
    best, nearest = np.asarray(distances), vertices[index]
    radii = np.linalg.norm(corners - corners.mean(1, keepdims=True), axis=-1).max(1)
    sizes = np.ceil(np.log2(np.maximum(radii, 1e-4)))
    for size in np.unique(sizes):
        _try_triangles(queries, corners[sizes == size], best, nearest)
    return torch.from_numpy(best).to(points), torch.from_numpy(nearest).to(points)


def _try_triangles(
    queries: NDArray[np.float64],
    corners: NDArray[np.float64],
    best: NDArray[np.float64],
    nearest: NDArray[np.float64],
) -> None:
    """Lower `best` (N,) and move `nearest` (N, 3), in place, where a triangle (T, 3, 3) is nearer."""
    centroids = corners.mean(1)
    reach = np.linalg.norm(corners - centroids[:, None], axis=-1).max()
    tree = cKDTree(centroids)
    left, tried, count = np.arange(len(queries)), 0, 4
    while len(left) and tried < len(corners):
        count = min(count, len(corners))
        found = tree.query(queries[left], k=np.arange(tried + 1, count + 1))
        apart, triangles = np.asarray(found[0]), np.asarray(found[1])
        for distance, triangle in zip(apart.T, triangles.T, strict=True):
            hopeful = distance - reach < best[left]
            where = left[hopeful]
            on_triangle = nearest_on_triangles(queries[where], corners[triangle[hopeful]])
            length = np.linalg.norm(queries[where] - on_triangle, axis=-1)
            closer = length < best[where]
            best[where[closer]], nearest[where[closer]] = length[closer], on_triangle[closer]
        left = left[apart[:, -1] - reach < best[left]]
        tried, count = count, 2 * count


def nearest_on_triangles(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each point (N, 3) the nearest point (N, 3) of its own triangle (N, 3, 3).

    It is the foot of the perpendicular where that lies inside, else the nearest point of an edge.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    square_area = (normal**2).sum(-1)
    inside = square_area > 1e-24  # a triangle without area is its edges
    away = ((points - a) * normal).sum(-1) / np.where(inside, square_area, 1.0)
    foot = points - normal * away[:, None]
    best, best_square = foot, np.full(len(points), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        edge = end - start
        inside &= (np.cross(edge, foot - start) * normal).sum(-1) >= 0
        along = ((points - start) * edge).sum(-1) / np.maximum((edge**2).sum(-1), 1e-30)
        on_edge = start + np.clip(along, 0, 1)[:, None] * edge
        square = ((points - on_edge) ** 2).sum(-1)
        best = np.where((square < best_square)[:, None], on_edge, best)
        best_square = np.minimum(square, best_square)
    result: NDArray[np.float64] = np.where(inside[:, None], foot, best)
    return result
