"""Cuts head, neck and shoulders out of a body: arms lowered, the lower edge in one plane.

A vertex that the cut makes lies on an edge of the body, so it moves with the edge's ends: the bust of any
person is a fixed linear map of that person's body.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array, Ints
from scripts.head.makehuman import Polygon

ARM_TURN_DEG = 22.0
"""Turn about the shoulders that lowers arms from MakeHuman's stance to about 13° off the body."""


@dataclass(frozen=True)
class Bust:
    """Triangles and the linear map to their vertices."""

    map: csr_matrix
    """(V, B) a bust's vertices from a body's."""
    faces: Ints
    """(F, 3)"""
    groups: Ints
    """(F,) index of the group of polygons that a triangle is from."""
    uv: Array
    """(U, 2)"""
    uv_faces: Ints
    """(F, 3)"""


def lowered_arms(vertices: Array, left_arm: Array, shoulders: tuple[Array, Array]) -> Array:
    """Bodies (N, B, 3) with their arms turned down about their shoulders (N, 3), left and right.

    `left_arm` (B, 2) is how much each vertex follows the left and the right arm.
    """
    moved = vertices.copy()
    for side, (shoulder, sign) in enumerate(zip(shoulders, (-1, 1), strict=True)):
        turn = Rotation.from_euler("z", sign * ARM_TURN_DEG, degrees=True).as_matrix()
        turned = (vertices - shoulder[:, None]) @ turn.T + shoulder[:, None]
        moved += left_arm[:, side, None] * (turned - vertices)
    return moved


def cut_bust(groups: Sequence[Sequence[Polygon]], average: Array, uv: Array, height: float) -> Bust:
    """What of the groups' polygons lies above `height` in the average body (B, 3)."""
    cutter = _Cutter(average, uv, height)
    faces, owners, uv_faces = [], [], []
    for owner, polygons in enumerate(groups):
        for polygon in polygons:
            corners = cutter.clipped(polygon)
            for triangle in cutter.triangles(corners):
                faces.append([corners[k][0] for k in triangle])
                uv_faces.append([corners[k][1] for k in triangle])
                owners.append(owner)
    vertex_map, used_faces = _used(cutter.vertices, np.array(faces), len(average))
    uv_map, used_uv_faces = _used(cutter.uv_points, np.array(uv_faces), len(uv))
    return Bust(vertex_map, used_faces, np.array(owners), np.asarray(uv_map @ uv), used_uv_faces)


Mix = tuple[int, int, float]
"""A point on an edge: its two ends, and the share of the second."""


class _Cutter:
    """Clips polygons by a horizontal plane; points on edges are made once for all polygons at an edge."""

    def __init__(self, average: Array, uv: Array, height: float) -> None:
        self.average, self.height = average, height
        self.vertices: list[Mix] = [(k, k, 0.0) for k in range(len(average))]
        self.uv_points: list[Mix] = [(k, k, 0.0) for k in range(len(uv))]
        self._made: dict[tuple[int, int, int], int] = {}

    def clipped(self, polygon: Polygon) -> list[tuple[int, int]]:
        """Vertex and texture coordinate of each corner above the plane (Sutherland–Hodgman)."""
        corners = list(zip(polygon.corners, polygon.uv, strict=True))
        above = [self.average[vertex, 1] > self.height for vertex, _ in corners]
        kept = []
        for k, corner in enumerate(corners):
            if above[k]:
                kept.append(corner)
            after = (k + 1) % len(corners)
            if above[k] != above[after]:
                kept.append(self._crossing(corner, corners[after]))
        return kept

    def _crossing(self, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        (a, b) = sorted((a, b))
        start, end = self.average[a[0], 1], self.average[b[0], 1]
        share = float((self.height - start) / (end - start))
        return (
            self._point(self.vertices, 0, a[0], b[0], share),
            self._point(self.uv_points, 1, a[1], b[1], share),
        )

    def _point(self, points: list[Mix], kind: int, a: int, b: int, share: float) -> int:
        if (kind, a, b) not in self._made:
            self._made[kind, a, b] = len(points)
            points.append((a, b, share))
        return self._made[kind, a, b]

    def triangles(self, corners: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
        """Triangles of a convex polygon by positions among its corners; a quad takes its shorter diagonal."""
        count = len(corners)
        if count != 4:
            return [(0, k, k + 1) for k in range(1, count - 1)]
        at = [self._at(vertex) for vertex, _ in corners]
        first, second = (np.linalg.norm(at[k] - at[k + 2]) for k in (0, 1))
        return [(0, 1, 2), (0, 2, 3)] if first <= second else [(1, 2, 3), (1, 3, 0)]

    def _at(self, vertex: int) -> Array:
        a, b, share = self.vertices[vertex]
        return np.asarray((1 - share) * self.average[a] + share * self.average[b])


def _used(points: Sequence[Mix], faces: Ints, count: int) -> tuple[csr_matrix, Ints]:
    """Matrix (P, count) of the points that `faces` name, and the faces by those points."""
    used, flat = np.unique(faces, return_inverse=True)
    a, b, share = (np.array(column) for column in zip(*(points[k] for k in used), strict=True))
    rows = np.arange(len(used))
    entries = (np.concatenate([1 - share, share]), (np.tile(rows, 2), np.concatenate([a, b])))
    return csr_matrix(entries, (len(used), count)), flat.reshape(faces.shape)
