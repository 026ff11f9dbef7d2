"""Similarity transforms between corresponding points."""

from typing import NamedTuple

import numpy as np

from fastavatar.geometry import Array


class Similarity(NamedTuple):
    """The map x → scale · rotation @ x + translation."""

    scale: float
    rotation: Array
    """(3, 3)"""
    translation: Array
    """(3,)"""

    def apply(self, points: Array) -> Array:
        """The points (N, 3) under the map."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)


def fit_similarity(source: Array, target: Array) -> Similarity:
    """The similarity that carries `source` (N, 3) onto `target` (N, 3) with least squared error.

    Source: Umeyama 1991, equations 40 to 42.
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred_source, centred_target = source - source_mean, target - target_mean
    u, singular, vt = np.linalg.svd(centred_target.T @ centred_source)
    # The last sign keeps the result a rotation where the best orthogonal matrix is a reflection.
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u * signs @ vt
    scale = float((singular * signs).sum() / (centred_source**2).sum())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)
