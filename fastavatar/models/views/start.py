"""Where the network starts: points spread over the mean head, and the ways in which heads differ."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fastavatar.geometry import sample_triangles, triangle_areas, unit_vectors, vertex_normals
from fastavatar.head import load_head

_FINER = 0.65
"""Spacing on face and ears relative to the rest: there are details as wide as the points are apart."""
_FINE_REGIONS = ("face", "ear", "lips", "eyelids", "jaw")


class MeanShape(NamedTuple):
    """N points of the mean head."""

    points: Tensor
    """(N, 3) metres, head frame."""
    normals: Tensor
    """(N, 3) unit length."""
    modes: Tensor
    """(K, N, 3) metres by which the points move per standard deviation of an identity's coefficient."""


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
    modes = np.einsum("nk,mnkc->mnc", weights, head.modes[:, corners])
    return MeanShape(*(torch.from_numpy(np.asarray(one, np.float32)) for one in (points, normals, modes)))
