"""Shoulders of this project's own head template, bent onto the neck that a capture's points end in."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from fastavatar.geometry.arrays import Array, Ints
from fastavatar.models.facemesh.surface import surface_points, vertex_normals
from fastavatar.models.facemesh.template import NECK, TORSO, load_template
from fastavatar.surfaces.points import Surface

_NECK_M = 0.10  # height of the part the template's shoulders are fitted to
_ROUNDS = 30
_REACH_M = 0.15


def fit_shoulders(surface: Surface) -> Surface:
    """The template's neck and shoulders, moved and bent onto the surface's lowest part."""
    template, spread = load_template(), surface_points()
    body = np.isin(spread.region, (NECK, TORSO))
    points = spread.at(template.vertices)[body]
    normals = spread.at(vertex_normals(template.vertices, template.faces))[body]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    low = surface.subset(surface.points[:, 1] < surface.points[:, 1].min() + _NECK_M)
    scale, rotation, shift = 1.0, np.eye(3), np.zeros(3)
    for _ in range(_ROUNDS):
        distance, pair = nearest(scale * points @ rotation.T + shift, low.points)
        fits = (distance < np.quantile(distance, 0.8)) & _alike(normals[pair] @ rotation.T, low.normals)
        if fits.sum() < 10:
            break
        scale, rotation, shift = _similarity(points[pair[fits]], low.points[fits])
    moved, turned = scale * points @ rotation.T + shift, normals @ rotation.T
    _, pair = nearest(moved, low.points)
    fitting = np.flatnonzero(_alike(turned[pair], low.normals))
    anchors = fitting[:: max(1, len(fitting) // 600)]
    bend = _smooth(moved, moved[pair[anchors]], low.points[anchors] - moved[pair[anchors]])
    torso = spread.region[body] == TORSO
    return Surface(moved + bend, turned).subset(torso)


def nearest(points: Array, queries: Array) -> tuple[Array, Ints]:
    """Distance (M,) from each of `queries` (M, 3) to the nearest of `points` (N, 3), and its index (M,)."""
    distance, index = cKDTree(points).query(queries)
    return np.asarray(distance), np.asarray(index, np.int64)


def _alike(normals: Array, others: Array) -> NDArray[np.bool_]:
    return np.asarray((normals * others).sum(1) > 0.5)


def _similarity(points: Array, targets: Array) -> tuple[float, Array, Array]:
    """Scale, rotation (3, 3) and shift (3,) that bring points (M, 3) onto targets (M, 3) (Umeyama 1991)."""
    centre, target_centre = points.mean(0), targets.mean(0)
    u, s, vt = np.linalg.svd((targets - target_centre).T @ (points - centre))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u * signs @ vt
    scale = float((s * signs).sum() / ((points - centre) ** 2).sum())
    return scale, rotation, target_centre - scale * rotation @ centre


def _smooth(points: Array, anchors: Array, offsets: Array) -> Array:
    """Offsets (N, 3) at points near `offsets` (A, 3) at `anchors` (A, 3), smooth, none beyond their reach."""

    def kernel(distance: Array) -> Array:  # Wendland's C2, which is positive definite
        r = np.minimum(distance / _REACH_M, 1)
        return np.asarray((1 - r) ** 4 * (4 * r + 1))

    weights = np.linalg.solve(kernel(cdist(anchors, anchors)) + 0.3 * np.eye(len(anchors)), offsets)
    return np.asarray(kernel(cdist(points, anchors)) @ weights)
