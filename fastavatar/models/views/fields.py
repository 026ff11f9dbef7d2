"""The signed distance of a surface given by oriented points, from which a closed mesh is cut.

Near the surface it is the weighted mean of the distances from the planes through the nearest points: implicit
moving least squares, as in Kolluri 2005 ("Provably good moving least squares").
"""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.core import Mesh
from fastavatar.geometry import Array
from fastavatar.models.surface import Ask, mesh_of_field

NEIGHBOURS = 12
"""Planes that are averaged: a ring and a half about a point of an even spread."""
_WIDTH = 0.6
"""Standard deviation of the weights in distances of the last one: larger rounds off, smaller is bumpy."""
_MARGIN_M = 0.004
"""What lies this far beyond the box about all points is outside, which closes cut torsos and arms."""

_NEAR_M = 0.018
"""Points are at most 9 mm apart at the start, and twice that under thick hair."""


def field_of_points(points: Array, normals: Array, colors: Array) -> Ask:
    """Distances in metres, negative inside, and colours at any points, from oriented points (N, 3) each."""
    tree = cKDTree(points)
    low, high = points.min(0) - _MARGIN_M, points.max(0) + _MARGIN_M

    def ask(places: Tensor) -> tuple[Tensor, Tensor]:
        at = places.double().numpy()
        found_apart, found_nearest = tree.query(at, k=range(1, min(NEIGHBOURS, len(points)) + 1))
        apart, nearest = np.asarray(found_apart), np.asarray(found_nearest)
        # Distances beyond the nearest point's, so that far from the surface the weights do not all vanish
        width = _WIDTH * np.maximum(apart[:, -1:], 1e-9)
        weights = np.exp(-(apart**2 - apart[:, :1] ** 2) / (2 * width**2))
        weights /= weights.sum(1, keepdims=True)
        planes = ((at[:, None] - points[nearest]) * normals[nearest]).sum(-1)
        beyond = np.maximum(at - high, low - at).max(1)
        distances = np.maximum((weights * planes).sum(1), beyond)
        found = np.einsum("nk,nkc->nc", weights, colors[nearest])
        return torch.from_numpy(distances).float(), torch.from_numpy(found).float()

    return ask


def open_mesh(points: Tensor, normals: Tensor, colors: Tensor, voxels: int) -> Mesh:
    """The surface through oriented points (N, 3) each, without what only closes it.

    `voxels` are those of `mesh_of_field`, which raises `InputError` where nothing is inside.
    """
    field = field_of_points(*(one.double().cpu().numpy() for one in (points, normals, colors)))
    return open_part(mesh_of_field(field, voxels), points)


def open_part(mesh: Mesh, points: Tensor) -> Mesh:
    """The mesh without what only closes it: triangles far from all oriented points (N, 3).

    True surfaces of captures are open where torso and arms are cut, so caps have nothing to be compared with.
    """
    middles = mesh.vertices[mesh.faces].mean(1).double().numpy()
    apart, _ = cKDTree(points.double().cpu().numpy()).query(middles)
    return mesh.subset(torch.from_numpy(apart < _NEAR_M))
