"""Points spread over the template's surface, and the discs they become on a fitted head."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from fastavatar.geometry.arrays import Array, Ints
from fastavatar.models.facemesh.template import EAR, FACE, JAW, NECK, SKULL, TORSO, load_template
from fastavatar.models.facemesh.warp import EYE_RINGS

EYE = 6
"""Region of the points between the lids, beside those of `HeadTemplate`."""
# Distance between neighbouring points in metres: fine where photos have detail
SPACING_M = {EYE: 0.0007, FACE: 0.0013, SKULL: 0.0026, EAR: 0.0020, NECK: 0.0030, TORSO: 0.0042, JAW: 0.0026}
NEIGHBOURS = 8
ACROSS_HAIRLINE = 0.02


@dataclass(frozen=True)
class SurfacePoints:
    """Points bound to the template's triangles; the second half is the mirror image of the first."""

    corners: Ints
    """(N, 3) vertices of each point's triangle."""
    weights: Array
    """(N, 3) barycentric coordinates in it."""
    region: Ints
    """(N,) region of the nearest corner, as in `HeadTemplate`, or `EYE`."""
    spacing: Array
    """(N,) distance to neighbouring points on the template, metres."""
    mirror: Ints
    """(N,) the point at the same place on the other half."""
    neighbours: csr_matrix
    """(N, N) symmetric: 1 where two points are neighbours on the template, less across the hairline."""

    def at(self, values: Array) -> Array:
        """Values (N, C) of the points, from values (V, C) at the vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weights, values[self.corners]))


@cache
def surface_points(fine_eyes: bool = False) -> SurfacePoints:
    """The same points at every call: spread by area along a low-discrepancy sequence.

    With `fine_eyes` those between the lids are a region of their own, as dense as its spacing asks.
    """
    template = load_template()
    half = template.faces[template.vertices[template.faces, 0].max(1) <= 1e-7]
    spacing = np.vectorize(SPACING_M.get)(template.region[half]).mean(1)
    corners, weights = _spread(template.vertices, half, spacing)
    if fine_eyes:
        skin, eyes = ~_between_lids(corners), half[_between_lids(half)]
        fine = _spread(template.vertices, eyes, np.full(len(eyes), SPACING_M[EYE]))
        corners, weights = np.concatenate([corners[skin], fine[0]]), np.concatenate([weights[skin], fine[1]])
    corners = np.concatenate([corners, template.mirror[corners]])
    weights = np.concatenate([weights, weights])
    count = len(corners)
    region = template.region[corners[np.arange(count), weights.argmax(1)]]
    if fine_eyes:
        region[_between_lids(corners)] = EYE
    positions = np.einsum("nk,nkc->nc", weights, template.vertices[corners])
    return SurfacePoints(
        corners,
        weights,
        region,
        np.vectorize(SPACING_M.get)(region).astype(np.float64),
        (np.arange(count) + count // 2) % count,
        _neighbour_graph(positions, region == SKULL),
    )


def _between_lids(triangles: Ints) -> NDArray[np.bool_]:
    """Which triangles (F,) span an eye."""
    return np.asarray(np.isin(triangles, list(EYE_RINGS)).any(1))


def _spread(vertices: Array, triangles: Ints, spacing: Array) -> tuple[Ints, Array]:
    """Corners (N, 3) and barycentric coordinates (N, 3) of points, `spacing` (F,) metres apart."""
    demand = np.cumsum(triangle_areas(vertices, triangles) / spacing**2)
    count = int(demand[-1])
    owner = np.searchsorted(demand, np.arange(count) + 0.5)
    # The R2 sequence (Roberts 2018), folded into the triangle
    step = np.arange(count)[:, None] * [0.7548776662466927, 0.5698402909980532] % 1
    step = np.where(step.sum(1, keepdims=True) > 1, 1 - step, step)
    return triangles[owner], np.column_stack([1 - step.sum(1), step])


def _neighbour_graph(positions: Array, hairy: NDArray[np.bool_]) -> csr_matrix:
    """Symmetric graph of each point's nearest neighbours; skin and hair hardly take each other's colour."""
    count = len(positions)
    nearest = np.asarray(cKDTree(positions).query(positions, NEIGHBOURS + 1)[1])
    rows = np.repeat(np.arange(count), NEIGHBOURS)
    graph = csr_matrix((np.ones(len(rows)), (rows, nearest[:, 1:].ravel())), (count, count))
    links = graph.maximum(graph.T).tocoo()
    links.data[hairy[links.row] != hairy[links.col]] = ACROSS_HAIRLINE
    return links.tocsr()


def triangle_areas(vertices: Array, triangles: Ints) -> Array:
    """Areas (F,) in square metres."""
    return np.asarray(np.linalg.norm(_crosses(vertices, triangles), axis=1) / 2)


def vertex_normals(vertices: Array, triangles: Ints) -> Array:
    """Unit normals (V, 3), outward: the area-weighted mean of the triangles around."""
    normals = np.zeros_like(vertices)
    crosses = _crosses(vertices, triangles)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], crosses[:, axis], len(vertices))
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def stretch(points: SurfacePoints, before: Array, after: Array) -> Array:
    """How much longer (N,) the surface around each point is on vertices `after` than on `before`."""
    areas = [np.maximum(triangle_areas(vertices, points.corners), 1e-12) for vertices in (before, after)]
    return np.clip(np.sqrt(areas[1] / areas[0]), 0.3, 3.0)


def _crosses(vertices: Array, triangles: Ints) -> Array:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a))
