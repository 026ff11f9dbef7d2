"""A surface under expressions: where its vertices go, and how the surface turns and stretches there."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from fastavatar.geometry import Array, Ints, quaternion_wxyz_from_matrix, vertex_normals

STILL_M = 1e-4
"""A vertex that no expression moves farther than this stays: the asset rounds to 0.2 mm."""
_LEAST_AREA = 0.05
"""Where the surface shrinks to less than this share of its area, its rotation is that of a larger one."""


@dataclass(frozen=True)
class MovedSurface:
    """What expressions do to the V vertices."""

    offsets: Tensor
    """(V, 3) metres."""
    turns_wxyz: Tensor
    """(V, 4) rotation of the surface at each vertex, as a unit quaternion."""
    stretch: Tensor
    """(V, 6) FᵀF − 1 of the deformation F: xx, yy, zz, xy, xz, yz."""

    def stacked(self) -> Tensor:
        """(V, 13) all three side by side."""
        return torch.cat([self.offsets, self.turns_wxyz, self.stretch], 1)


@dataclass(frozen=True)
class LidPath:
    """Vertices of one eye's lids, which slide over the ball rather than through it."""

    vertices: Tensor
    """(L,) index among the moving vertices."""
    outward: Tensor
    """(L, 3) from the ball's centre to each at rest, metres."""
    radii: Tensor
    """(52, L) change of the distance from the centre under the whole of each expression, metres."""

    def lifted(self, weights: Tensor, offsets: Tensor) -> Tensor:
        """Offsets (L, 3) that are no nearer to the ball than a path of evenly changing distance.

        A straight path from an open to a closed lid is a chord that cuts 2 mm into the ball.
        """
        place = self.outward + offsets
        target = self.outward.norm(dim=1) + weights @ self.radii
        lift: Tensor = (target / place.norm(dim=1)).clamp(min=1.0)
        return place * lift[:, None] - self.outward


@dataclass(frozen=True)
class ExpressiveSurface:
    """A mesh that 52 expressions move, with derivatives along the surface; made by `expressive_surface`."""

    count: int
    """Number of vertices, V."""
    moving: Tensor
    """(M,) vertices that any expression moves."""
    offsets: Tensor
    """(52, M·3) metres under the whole of each expression."""
    slopes: Tensor
    """(52, M·6) derivative of the offsets along two tangents, (3, 2) for each vertex."""
    tangents: Tensor
    """(M, 3, 2) unit tangents."""
    normals: Tensor
    """(M, 3)"""
    lids: tuple[LidPath, ...]

    def moved(self, weights: Tensor) -> MovedSurface:
        """The surface under weights (52,), which may be negative; differentiable in them."""
        weights = weights.to(self.offsets)
        offsets = (weights @ self.offsets).reshape(-1, 3)
        for lid in self.lids:
            offsets = offsets.index_copy(0, lid.vertices, lid.lifted(weights, offsets[lid.vertices]))
        change = (weights @ self.slopes).reshape(-1, 3, 2)
        T = self.tangents
        # M − 1 = Tᵀ dA + dAᵀ T + dAᵀ dA with A = T + dA: exactly 0 at rest
        half = T.mT @ change
        excess = half + half.mT + change.mT @ change
        turns = self._turns(T + change, excess)
        C = T @ excess @ T.mT
        stretch = torch.stack([C[:, i, j] for i, j in _SYMMETRIC], 1)
        return MovedSurface(*(self._spread(*part) for part in ((offsets, 0), (turns, 1), (stretch, 0))))

    def _turns(self, A: Tensor, excess: Tensor) -> Tensor:
        """Rotations (M, 4) of the polar decomposition of A (M, 3, 2) and of the normals."""
        a, b, d = excess[:, 0, 0] + 1, excess[:, 0, 1], excess[:, 1, 1] + 1
        # S = √M = (M + s)/t with s = √det M, t = √(tr M + 2 s); A S⁻¹ is orthonormal, det S = s
        s = (a * d - b * b).clamp(min=_LEAST_AREA**2).sqrt()
        t = (a + d + 2 * s).sqrt()
        scale = 1 / (s * t)
        first = (A[:, :, 0] * (d + s)[:, None] - A[:, :, 1] * b[:, None]) * scale[:, None]
        second = (A[:, :, 1] * (a + s)[:, None] - A[:, :, 0] * b[:, None]) * scale[:, None]
        third = torch.linalg.cross(first, second)
        rotation = (
            torch.stack([first, second, third], 2)
            @ torch.cat([self.tangents, self.normals[:, :, None]], 2).mT
        )
        return quaternion_wxyz_from_matrix(rotation)

    def _spread(self, values: Tensor, first: int) -> Tensor:
        """Values (V, C) of all vertices from those of the moving ones; the others are (`first`, 0, …)."""
        still = torch.zeros(self.count, values.shape[1]).to(values)
        still[:, 0] = first
        return still.index_copy(0, self.moving, values)


_SYMMETRIC = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def expressive_surface(
    vertices: Array, faces: Ints, actions: Array, eyes: dict[tuple[float, float, float], Ints]
) -> ExpressiveSurface:
    """The surface of `vertices` (V, 3) and `faces` (F, 3) under `actions` (52, V, 3), metres.

    `eyes` holds the vertices (L,) of the lids of each eye by the ball's centre.
    """
    moving = np.flatnonzero(np.linalg.norm(actions, axis=2).max(0) > STILL_M)
    actions = np.where(np.isin(np.arange(len(vertices)), moving)[:, None], actions, 0)
    normals = vertex_normals(vertices, faces)
    tangents = tangents_of(normals)
    # Derivative of each action along axis k: (52, V, 3) each
    along = [_apply(slope, actions) for slope in _gradient(vertices, faces)]
    slopes = np.einsum("kavi,vkj->avij", np.stack(along), tangents)[:, moving]
    place_of = np.full(len(vertices), -1)
    place_of[moving] = np.arange(len(moving))
    lids = []
    for center, lid in eyes.items():
        index = lid[place_of[lid] >= 0]
        outward = vertices[index] - center
        radii = np.linalg.norm(outward + actions[:, index], axis=2) - np.linalg.norm(outward, axis=1)
        lids.append(LidPath(torch.from_numpy(place_of[index]), float32(outward), float32(radii)))
    return ExpressiveSurface(
        len(vertices),
        torch.from_numpy(moving),
        float32(actions[:, moving].reshape(len(actions), -1)),
        float32(slopes.reshape(len(actions), -1)),
        float32(tangents[moving]),
        float32(normals[moving]),
        tuple(lids),
    )


def _gradient(vertices: Array, faces: Ints) -> list[csr_matrix]:
    """Three matrices (V, V) that take values at the vertices to their derivative along x, y and z.

    It is the area-weighted mean of the derivatives in the triangles around each vertex.
    """
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    double_area = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    # Twice the area times ∇φ of each corner: the normal crossed with the opposite edge
    opposite = np.stack([c - b, a - c, b - a], 1)
    weighted = np.cross((normal / double_area)[:, None], opposite)
    total = np.bincount(faces.ravel(), np.repeat(double_area, 3), len(vertices))
    rows, columns = np.repeat(faces, 3, 1).ravel(), np.tile(faces, (1, 3)).ravel()
    # Nothing is divided by 0 where no triangle meets a vertex
    share = 1 / np.maximum(total, 1e-12)[rows]
    size = (len(vertices), len(vertices))
    return [
        csr_matrix((share * np.tile(weighted[:, :, axis], (1, 3)).ravel(), (rows, columns)), size)
        for axis in range(3)
    ]


def _apply(matrix: csr_matrix, values: Array) -> Array:
    """Matrix (V, V) times values (A, V, 3)."""
    flat = values.transpose(1, 0, 2).reshape(values.shape[1], -1)
    return np.asarray(matrix @ flat).reshape(-1, len(values), 3).transpose(1, 0, 2)


def tangents_of(normals: Array) -> Array:
    """Two unit tangents (V, 3, 2) perpendicular to unit normals (V, 3)."""
    axis = np.eye(3)[np.abs(normals).argmin(1)]
    first = np.cross(normals, axis)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
    return np.stack([first, np.cross(normals, first)], 2)


def float32(values: Array) -> Tensor:
    """The same numbers as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
