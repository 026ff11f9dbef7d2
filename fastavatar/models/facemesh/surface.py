"""Points spread over the template's surface, and the discs they become on a fitted head."""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from scipy.sparse import bmat, csr_matrix
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, Ints, neighbour_graph, sample_triangles, triangle_areas
from fastavatar.models.facemesh import (
    EAR,
    EYE,
    FACE,
    JAW,
    MOUTH,
    NECK,
    SKULL,
    SOCKET,
    TEETH,
    TORSO,
    HeadTemplate,
    load_template,
)

BEYOND = 10
"""The region of points beyond the head, in addition to those of `HeadTemplate`."""
# Distance between neighbouring points in metres: fine where photos have detail; chosen by eye
SPACING_M = {
    EYE: 0.0010,
    FACE: 0.0013,
    SKULL: 0.0026,
    EAR: 0.0020,
    NECK: 0.0030,
    TORSO: 0.0042,
    JAW: 0.0026,
    TEETH: 0.0015,
    MOUTH: 0.0018,
    SOCKET: 0.0026,
}
BEYOND_SPACING_M = 0.0030
_FEWEST = 20
"""Fewer points are no surface."""
_TOUCHING_M = 0.008
"""Further points are linked to the nearest of the others up to this distance."""
_LEAST_STRETCH, _MOST_STRETCH = 0.3, 3.0
"""Bounds on the change of lengths, so that slivers do not make discs huge."""
ACROSS_HAIRLINE = 0.02
"""Weight of links between hair and skin, so that their colours hardly mix."""


class OnMesh(Protocol):
    """N points of a mesh."""

    @property
    def corners(self) -> Ints:
        """(N, 3) vertices of each point's triangle."""

    def at(self, values: Array) -> Array:
        """Values (N, C) at the points, from values (V, C) at the vertices."""


@dataclass(frozen=True)
class SurfacePoints:
    """Points bound to the template's triangles, each with its mirror image.

    Points on triangles that cross the midplane, which close the torso below, are their own.
    """

    corners: Ints
    """(N, 3) vertices of each point's triangle."""
    weights: Array
    """(N, 3) barycentric coordinates in it."""
    region: Ints
    """(N,) region of the nearest corner, as in `HeadTemplate`, or `BEYOND`."""
    spacing: Array
    """(N,) distance to neighbouring points, metres; here, on the template."""
    mirror: Ints
    """(N,) the point at the same place on the other half."""
    neighbours: csr_matrix
    """(N, N) symmetric: 1 between neighbours on the template, `ACROSS_HAIRLINE` between hair and skin."""

    def at(self, values: Array) -> Array:
        """Values (N, C) at the points, from values (V, C) at the vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weights, values[self.corners]))


@cache
def surface_points() -> SurfacePoints:
    """The points; every call gives the same. The sockets behind the eyes have none."""
    template = load_template()
    drawn = template.faces[(template.region[template.faces] != SOCKET).any(1)]
    # The half with x ≤ 0 is sampled and mirrored, so that the halves match point for point
    x = template.vertices[drawn, 0]
    right, across = drawn[x.max(1) <= 1e-7], drawn[(x.max(1) > 1e-7) & (x.min(1) < -1e-7)]
    (half, halfs), (middle, middles) = (_sampled(template, faces) for faces in (right, across))
    corners = np.concatenate([half, template.mirror[half], middle])
    weights = np.concatenate([halfs, halfs, middles])
    count, size = len(corners), len(half)
    region = template.region[corners[np.arange(count), weights.argmax(1)]]
    positions = np.einsum("nk,nkc->nc", weights, template.vertices[corners])
    own = np.arange(count)
    return SurfacePoints(
        corners,
        weights,
        region,
        _spacing(region),
        np.concatenate([own[size : 2 * size], own[:size], own[2 * size :]]),
        _links(positions, region == SKULL),
    )


def _sampled(template: HeadTemplate, faces: Ints) -> tuple[Ints, Array]:
    """Corners (M, 3) and barycentric weights (M, 3) of points on triangles of the template (F, 3)."""
    owner, weights = sample_triangles(template.vertices, faces, _spacing(template.region[faces]).mean(1))
    return faces[owner], weights


def _spacing(region: Ints) -> Array:
    """Distances between points in regions (...), metres."""
    return np.asarray(np.vectorize(SPACING_M.get)(region), np.float64)


def _links(positions: Array, hairy: Bools) -> csr_matrix:
    """Neighbour graph (N, N) of positions (N, 3), with weak links between hair, `hairy` (N,), and skin."""
    links = neighbour_graph(positions).tocoo()
    links.data[hairy[links.row] != hairy[links.col]] = ACROSS_HAIRLINE
    return links.tocsr()


def with_more(
    points: SurfacePoints, vertices: Array, faces: Ints, region: int, spacing_m: float
) -> SurfacePoints:
    """The points, and further ones of a region on other triangles (F, 3) of their mesh (V, 3).

    They are linked to one another, and to the others where those are near. They have no mirror images.
    """
    if triangle_areas(vertices, faces).sum() < _FEWEST * spacing_m**2:
        return points
    owner, weights = sample_triangles(vertices, faces, spacing_m)
    corners = faces[owner]
    places = np.einsum("nk,nkc->nc", weights, vertices[corners])
    first, count = len(points.corners), len(places)
    tree = cKDTree(points.at(vertices))
    distance, near = (np.asarray(found) for found in tree.query(places, distance_upper_bound=_TOUCHING_M))
    close = np.flatnonzero(np.isfinite(distance))
    bridge = csr_matrix((np.ones(len(close)), (close, near[close])), (count, first))
    return SurfacePoints(
        np.concatenate([points.corners, corners]),
        np.concatenate([points.weights, weights]),
        np.concatenate([points.region, np.full(count, region)]),
        np.concatenate([points.spacing, np.full(count, spacing_m)]),
        np.concatenate([points.mirror, first + np.arange(count)]),
        csr_matrix(bmat([[points.neighbours, bridge.T], [bridge, neighbour_graph(places)]])),  # type: ignore[arg-type]
    )


def stretch(points: SurfacePoints, before: Array, after: Array) -> Array:
    """Factor (N,) on lengths around each point from vertices `before` (V, 3) to `after` (V, 3)."""
    # Lengths grow as the root of areas
    areas = [np.maximum(triangle_areas(vertices, points.corners), 1e-12) for vertices in (before, after)]
    return np.clip(np.sqrt(areas[1] / areas[0]), _LEAST_STRETCH, _MOST_STRETCH)
