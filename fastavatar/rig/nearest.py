"""Points bound to the nearest place of a surface."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Ints, nearest_on_triangles

_CANDIDATES = 8
"""Triangles tried for each point, those with the nearest centres: of the head's even triangles enough."""


@dataclass(frozen=True)
class NearestPlaces:
    """The places of a surface nearest to N points."""

    corners: Ints
    """(N, 3) vertices of the triangle."""
    weights: Array
    """(N, 3) barycentric weights."""
    places: Array
    """(N, 3) metres."""
    distances: Array
    """(N,) metres."""


def nearest_places(points: Array, vertices: Array, faces: Ints) -> NearestPlaces:
    """The places nearest to `points` (N, 3) on `faces` (F, 3) of `vertices` (V, 3)."""
    corners = vertices[faces]
    candidates = np.asarray(cKDTree(corners.mean(1)).query(points, k=_CANDIDATES)[1])
    best, distances, face = points.copy(), np.full(len(points), np.inf), np.zeros(len(points), np.int64)
    for candidate in candidates.T:
        place = nearest_on_triangles(points, corners[candidate])
        distance = np.linalg.norm(place - points, axis=1)
        closer = distance < distances
        best[closer], distances[closer], face[closer] = place[closer], distance[closer], candidate[closer]
    return NearestPlaces(faces[face], _barycentric(best, corners[face]), best, distances)


def _barycentric(points: Array, corners: Array) -> Array:
    """Weights (N, 3) of the corners (N, 3, 3) of triangles that hold `points` (N, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    square = np.maximum((normal**2).sum(1), 1e-24)
    second = (np.cross(points - a, c - a) * normal).sum(1) / square
    third = (np.cross(b - a, points - a) * normal).sum(1) / square
    weights = np.clip(np.stack([1 - second - third, second, third], 1), 0, 1)
    return np.asarray(weights / weights.sum(1, keepdims=True))
