"""Points spread over the mean head, the ways in which people differ from it, and how points agree on some."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.geometry import Array, sample_triangles, triangle_areas, unit_vectors, vertex_normals
from fastavatar.head import load_head

_FINER = 0.65
"""Spacing on face and ears relative to the rest: there are details as wide as the points are apart."""
_TURN_RAD = 0.05
"""Between the standard deviations of made-up people's turns and of people's before a camera."""
_SKULL_M = 0.08
"""About its radius."""
_BLENDED, _BLEND_M = 12, 0.01
"""Vertices that movements in space are blended from, and the distance within which they count the same."""
_FINE_REGIONS = ("face", "ear", "lips", "eyelids", "jaw")


class MeanShape(NamedTuple):
    """N points of the mean head."""

    points: Tensor
    """(N, 3) metres, head frame."""
    normals: Tensor
    """(N, 3) unit length."""
    modes: Tensor
    """(K, N, 3) metres by which the points move: as the shoulders turn under the head, as hair grows, and per
    standard deviation of each coefficient of an identity."""


def mean_start(count: int) -> MeanShape:
    """`count` points on the outer skin of the mean head."""
    head = load_head()
    hidden = head.region("mouth", "sockets")[head.faces].all(1)
    faces = head.faces[head.part("skin", "left_eye", "right_eye") & ~hidden]
    spacing = np.where(head.region(*_FINE_REGIONS)[faces].all(1), _FINER, 1.0)
    demand = float((triangle_areas(head.mean, faces) / spacing**2).sum())
    # A few more than asked for, as their number is rounded, and then as many as asked for
    owner, weights = sample_triangles(head.mean, faces, spacing * np.sqrt(demand / (count + 8)))
    kept = np.linspace(0, len(owner) - 1, count).round().astype(np.int64)
    corners, weights = faces[owner[kept]], weights[kept]
    normals = unit_vectors(np.einsum("nk,nkc->nc", weights, vertex_normals(head.mean, head.faces)[corners]))
    points = np.einsum("nk,nkc->nc", weights, head.mean[corners])
    modes = np.einsum("nk,mnkc->mnc", weights, _ways()[:, corners])
    return MeanShape(*(torch.from_numpy(np.asarray(one, np.float32)) for one in (points, normals, modes)))


def ways_at(places: Array) -> Array:
    """(K, M, 3) metres: the movements of `MeanShape.modes` at any places (M, 3) about the mean head.

    Those of the nearest vertices of the outer skin, blended.
    """
    head = load_head()
    skin = np.unique(head.faces[head.part("skin") & ~head.region("mouth", "sockets")[head.faces].any(1)])
    apart, nearest = cKDTree(head.mean[skin]).query(places, k=_BLENDED)
    share = 1 / (np.asarray(apart) ** 2 + _BLEND_M**2)
    share /= share.sum(1, keepdims=True)
    return np.asarray(np.einsum("mb,kmbc->kmc", share, _ways()[:, skin[nearest]], optimize=True))


def common_movement(ways: Tensor, normals: Tensor, wanted: Tensor, sure: Tensor, ridge: Tensor) -> Tensor:
    """Weights (K,) of the ways (K, N, 3) of moving by which points move `wanted` (N,) along normals (N, 3).

    Least squares with weights `sure` (N,) and a `ridge` (): the variance of what is wanted over that of the
    weights.
    """
    slopes = torch.einsum("knc,nc->nk", ways, normals)
    weighted = slopes * sure[:, None]
    found: Tensor = torch.linalg.solve(
        weighted.T @ slopes + ridge * torch.eye(len(ways)).to(slopes), weighted.T @ wanted
    )
    return found


def _ways() -> Array:
    """(K, V, 3) metres: all movements of the average person's vertices."""
    return np.concatenate([_turns_of_shoulders(), _thickness_of_hair(), load_head().modes])


def _turns_of_shoulders() -> Array:
    """(3, V, 3) metres: movements of the average person as the head turns by `_TURN_RAD` about x, y and z.

    In the head frame, so skull and face stay.
    """
    head, average = load_head(), np.zeros(len(load_head().modes))

    def turned(axis: int, angle: float) -> Array:
        turns = head.turns({"head": [angle * float(axis == one) for one in range(3)]})
        return head.motion_of_skull(average, turns).inverse().apply(head.vertices(average, None, turns))

    half = _TURN_RAD / 2
    return np.stack([turned(axis, half) - turned(axis, -half) for axis in range(3)])


def _thickness_of_hair() -> Array:
    """(10, V, 3) metres: hair 1 cm thick on the skull, and more or less of it along the axes and products."""
    head = load_head()
    skull = head.region("skull")
    x, y, z = (head.mean - head.mean[skull].mean(0)).T / _SKULL_M
    amounts = np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, y * z, z * x])
    normals = unit_vectors(vertex_normals(head.mean, head.faces))
    return 0.01 * (amounts * skull)[..., None] * normals
