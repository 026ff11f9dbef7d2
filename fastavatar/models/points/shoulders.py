"""Shoulders of this project's own head template, fitted to the neck at the end of a capture's points."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fastavatar.geometry import (
    Array,
    Ints,
    Similarity,
    fit_upright_similarity,
    spread_offsets,
    unit_vectors,
    vertex_normals,
)
from fastavatar.models.facemesh import NECK, TORSO, load_template, surface_points
from fastavatar.surfaces import Surface

_NECK_M = 0.10  # height of the lowest part of the points, which the template is fitted to
_ROUNDS = 30  # of iterated closest points; the fit settles after about twenty
_REACH_M = 0.15  # radius of the bend: half the width of the shoulders
_ANCHOR_NOISE = 0.3  # ridge of the bend: single points of a capture are noisy


def fit_shoulders(surface: Surface) -> Surface:
    """The template's shoulders, aligned and bent to the lowest part of the surface."""
    template, spread = load_template(), surface_points()
    body = np.isin(spread.region, (NECK, TORSO))
    points = spread.at(template.vertices)[body]
    normals = unit_vectors(spread.at(vertex_normals(template.vertices, template.skin))[body])

    low = surface.subset(surface.points[:, 1] < surface.points[:, 1].min() + _NECK_M)
    fit = Similarity(1.0, np.eye(3), np.zeros(3))
    # Iterated closest points (Besl and McKay 1992) with scale; the worst fifth of the pairs is left out.
    # Necks lean, torsos stand: a torso that leaned as the neck does had one shoulder 4 cm too high
    for _ in range(_ROUNDS):
        distance, pair = nearest(fit.apply(points), low.points)
        fits = (distance < np.quantile(distance, 0.8)) & _alike(normals[pair] @ fit.rotation.T, low.normals)
        if fits.sum() < 10:
            break
        fit = fit_upright_similarity(points[pair[fits]], low.points[fits])
    moved, turned = fit.apply(points), normals @ fit.rotation.T
    _, pair = nearest(moved, low.points)
    fitting = np.flatnonzero(_alike(turned[pair], low.normals))
    # At most about 600 anchors: the kernel matrix is dense
    anchors = fitting[:: max(1, len(fitting) // 600)]
    held = moved[pair[anchors]]
    bend = spread_offsets(moved, held, low.points[anchors] - held, _REACH_M, _ANCHOR_NOISE)
    torso = spread.region[body] == TORSO
    return Surface(moved + bend, turned).subset(torso)


def nearest(points: Array, queries: Array) -> tuple[Array, Ints]:
    """Distances (M,) from `queries` (M, 3) to the nearest of `points` (N, 3), and its indices (M,)."""
    distance, index = cKDTree(points).query(queries)
    return np.asarray(distance), np.asarray(index, np.int64)


def _alike(normals: Array, others: Array) -> NDArray[np.bool_]:
    return np.asarray((normals * others).sum(1) > 0.5)
