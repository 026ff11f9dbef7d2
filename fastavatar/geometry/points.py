"""Points: unit vectors, the similarity between two sets, smooth offsets, polygons."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from fastavatar.errors import InputError
from fastavatar.geometry import Array, Bools, Ints


def unit_vectors(vectors: Array) -> Array:
    """The vectors (N, D) divided by their lengths; a vector of length 0 stays 0."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


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

    def inverse(self) -> "Similarity":
        """The map that leads back."""
        return Similarity(1 / self.scale, self.rotation.T, -self.rotation.T @ self.translation / self.scale)


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


def fit_upright_similarity(source: Array, target: Array) -> Similarity:
    """The same among the similarities that turn about the vertical axis y only."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred_source, centred_target = source - source_mean, target - target_mean
    # The angle that maximises Σ target·R(angle)·source: that of the sum of products, taken as complex numbers
    (x, _, z), (u, _, w) = centred_source.T, centred_target.T
    angle = np.arctan2(u @ z - w @ x, u @ x + w @ z)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    turned = centred_source @ rotation.T
    scale = float((turned * centred_target).sum() / (centred_source**2).sum())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def wendland_c2(distance: Array, radius: float) -> Array:
    """Wendland's C2 kernel (1 − r)⁴(4r + 1), r = distance / radius, 0 from r = 1 on; distances of any shape.

    The kernel is positive definite in three dimensions (Wendland 1995), so its matrices can be inverted.
    """
    kernel = np.zeros_like(distance)
    near = distance < radius  # 1 % of a head's points and its landmarks
    r = distance[near] / radius
    kernel[near] = (1 - r) ** 4 * (4 * r + 1)
    return kernel


def spread_offsets(points: Array, anchors: Array, offsets: Array, radius: float, ridge: float) -> Array:
    """Offsets (N, 3) at `points` (N, 3), smooth, from `offsets` (A, 3) known at `anchors` (A, 3).

    They vanish farther than `radius` from every anchor. `ridge` is added to the diagonal of the kernel
    matrix: near 0 interpolates, larger values smooth noisy anchors.
    """
    # Solve (K + ridge·I) c = offsets at the anchors; the offset at x is then Σ_a c_a K(|x − anchor_a|)
    system = wendland_c2(cdist(anchors, anchors), radius) + ridge * np.eye(len(anchors))
    return np.asarray(wendland_c2(cdist(points, anchors), radius) @ np.linalg.solve(system, offsets))


def inside_polygon(points: Array, polygon: Array) -> Bools:
    """Which (N,) of the points (N, 2) lie inside the polygon (M, 2), by the rule of odd crossings."""
    a, b = polygon, np.roll(polygon, -1, 0)
    x, y = points[:, :1], points[:, 1:]
    # A ray from the point to the right crosses the sides of an inner point an odd number of times. Of a side
    # that spans the point's height only one end counts, so a ray through a corner does not count twice.
    between = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return np.asarray(np.sum(between & (x < crossing), 1) % 2 == 1)


def spread_over(length: int, count: int) -> Ints:
    """Indices (count,) spread evenly over `length` things, first and last included.

    Raises `InputError` where there are fewer things than that.
    """
    if length < count:
        raise InputError(f"{length} points where {count} are asked for")
    return np.linspace(0, length - 1, count).round().astype(np.int64)
