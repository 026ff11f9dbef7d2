"""Points spread over the template's surface, and the discs they become on a fitted head."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix

from fastavatar.geometry import Array, Bools, Ints, neighbour_graph, sample_triangles, triangle_areas
from fastavatar.models.facemesh import EAR, EYE_RINGS, FACE, JAW, NECK, SKULL, TORSO, load_template

EYE = 6
"""Region of the points between the lids, in addition to those of `HeadTemplate`."""
# Distance between neighbouring points in metres: fine where photos have detail; chosen by eye
SPACING_M = {EYE: 0.0007, FACE: 0.0013, SKULL: 0.0026, EAR: 0.0020, NECK: 0.0030, TORSO: 0.0042, JAW: 0.0026}
ACROSS_HAIRLINE = 0.02
"""Weight of links between hair and skin, so that their colours hardly mix."""


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
    """(N, N) symmetric: 1 between neighbours on the template, `ACROSS_HAIRLINE` between hair and skin."""

    def at(self, values: Array) -> Array:
        """Values (N, C) at the points, from values (V, C) at the vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", self.weights, values[self.corners]))


@cache
def surface_points(fine_eyes: bool = False) -> SurfacePoints:
    """The points; every call gives the same.

    With `fine_eyes` the points between the lids are a region of their own, with the spacing of that region.
    """
    template = load_template()
    # Only the half with x ≤ 0 is sampled; mirroring it makes the halves match point for point
    half = template.faces[template.vertices[template.faces, 0].max(1) <= 1e-7]
    spacing = np.vectorize(SPACING_M.get)(template.region[half]).mean(1)
    owner, weights = sample_triangles(template.vertices, half, spacing)
    corners = half[owner]
    if fine_eyes:
        skin, eyes = ~_between_lids(corners), half[_between_lids(half)]
        owner, fine_weights = sample_triangles(template.vertices, eyes, SPACING_M[EYE])
        corners = np.concatenate([corners[skin], eyes[owner]])
        weights = np.concatenate([weights[skin], fine_weights])
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
        _links(positions, region == SKULL),
    )


def _between_lids(triangles: Ints) -> Bools:
    """Which triangles (F, 3) span an eye, (F,)."""
    return np.asarray(np.isin(triangles, list(EYE_RINGS)).any(1))


def _links(positions: Array, hairy: Bools) -> csr_matrix:
    """Neighbour graph (N, N) of positions (N, 3), with weak links between hair, `hairy` (N,), and skin."""
    links = neighbour_graph(positions).tocoo()
    links.data[hairy[links.row] != hairy[links.col]] = ACROSS_HAIRLINE
    return links.tocsr()


def stretch(points: SurfacePoints, before: Array, after: Array) -> Array:
    """Factor (N,) on lengths around each point from vertices `before` (V, 3) to `after` (V, 3)."""
    # Lengths grow as the root of areas; the bounds keep slivers from making discs huge
    areas = [np.maximum(triangle_areas(vertices, points.corners), 1e-12) for vertices in (before, after)]
    return np.clip(np.sqrt(areas[1] / areas[0]), 0.3, 3.0)
