"""How heads may differ from one another: smoothly, by a centimetre or two."""

from functools import cache

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

from fastavatar.geometry.arrays import Array
from fastavatar.geometry.sampling import farthest_points
from fastavatar.models.facemesh.template import load_template

_ANCHORS = 120
_SCALES_M = ((0.10, 0.015), (0.035, 0.006))
"""Reach of a deformation over the head and its standard deviation: proportions, then features."""


@cache
def smooth_deformations() -> Array:
    """(V, 120): vertices move by this times coefficients (120, 3) that are standard normal a priori, metres.

    A Gaussian process over the template's vertices (Lüthi et al. 2018), by Nyström's method at points spread
    evenly.
    """
    vertices = load_template().vertices
    anchors = vertices[farthest_points(vertices, _ANCHORS)]
    factor = np.linalg.cholesky(_covariance(anchors, anchors) + 1e-10 * np.eye(_ANCHORS))
    return np.asarray(solve_triangular(factor, _covariance(anchors, vertices), lower=True).T)


def _covariance(a: Array, b: Array) -> Array:
    """Covariances (A, B) of the movement of points (A, 3) and (B, 3), square metres."""
    squares = cdist(a, b, "sqeuclidean")
    return np.asarray(sum(size**2 * np.exp(-squares / (2 * reach**2)) for reach, size in _SCALES_M))
