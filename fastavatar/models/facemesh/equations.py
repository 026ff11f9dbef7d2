"""Least squares for the coefficients of one head and the poses of several photos."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fastavatar.geometry import Array


@dataclass(frozen=True)
class Equations:
    """K points that should move so that what is amiss with them in one photo goes."""

    photo: int
    """Which photo."""
    amiss: Array
    """(K, E) in standard deviations."""
    slope: Array
    """(K, E, 3) what mends it, by metre that the point moves in camera axes."""
    turned: Array
    """(K, 3) the points turned as the photo's camera is, not shifted, metres."""
    rotation: Array
    """(3, 3) from the head frame to camera axes."""
    deformations: Array
    """(K, M) how the points move with the head's coefficients; see `smooth_deformations`."""
    tell_place: bool = True
    """Whether they tell where the head is, not only how it is turned."""


@dataclass(frozen=True)
class Sighting:
    """K points of the surface, and where one photo shows them."""

    photo: int
    """Which photo."""
    points: Array
    """(K, 3) where the head has them now, head frame, metres."""
    deformations: Array
    """(K, M) as in `Equations`."""
    on_plane: Array
    """(K, 2) where the photo shows them: x and y in camera axes at depth 1."""
    whitening: Array
    """(K, 2, 2) turns metres across the line of sight, at the point's depth, into standard deviations."""

    def equations(self, pose: Array) -> Equations:
        """What is amiss where the head has a pose (4, 4)."""
        rotation = pose[:3, :3]
        turned = self.points @ rotation.T
        placed = turned + pose[:3, 3]
        slope = np.zeros((len(placed), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = 1
        slope[:, :, 2] = -placed[:, :2] / placed[:, 2:]
        amiss = np.einsum("kij,kj->ki", self.whitening, self.on_plane * placed[:, 2:] - placed[:, :2])
        slope = np.einsum("kij,kjc->kic", self.whitening, slope)
        return Equations(self.photo, amiss, slope, turned, rotation, self.deformations)


def isotropic(weights: Array) -> Array:
    """(K, 2, 2) whitening of points known equally well in every direction, `weights` (K,) per metre."""
    return np.asarray(weights[:, None, None] * np.eye(2))


def saturating(residuals: Array) -> Array:
    """Weights (K,) of residuals (K,) in standard deviations: beyond three they count ever less (Cauchy)."""
    return np.asarray(1 / np.sqrt(1 + (residuals / 3) ** 2))


_CORRELATED = 0.35  # what an equation counts, as points near one another err alike
_DAMPING = 1e-6


def solve(equations: Iterable[Equations], coefficients: Array, photos: int) -> tuple[Array, Array, Array]:
    """Changes of the coefficients (M, 3), and turns (P, 3) and shifts (P, 3) of the head before each camera.

    Turns are rotation vectors about the head's origin, shifts metres, both in camera axes. The coefficients,
    once changed, are standard normal a priori.
    """
    modes = len(coefficients)
    head, size = 3 * modes, 3 * modes + 6 * photos
    matrix, right = np.zeros((size, size)), np.zeros(size)
    matrix[range(head), range(head)] = 1
    right[:head] = -coefficients.T.ravel()
    for given in equations:
        rows = np.zeros((*given.amiss.shape, size))
        in_head = given.slope @ given.rotation
        by_mode = in_head[..., None] * given.deformations[:, None, None, :]
        rows[..., :head] = by_mode.reshape(*given.amiss.shape, head)
        pose = head + 6 * given.photo
        rows[..., pose : pose + 3] = np.cross(given.turned[:, None, :], given.slope)
        if given.tell_place:
            rows[..., pose + 3 : pose + 6] = given.slope
        flat = _CORRELATED * rows.reshape(-1, size)
        matrix += flat.T @ flat
        right += flat.T @ (_CORRELATED * given.amiss.ravel())
    matrix[range(size), range(size)] += _DAMPING * np.trace(matrix) / size
    change = np.linalg.solve(matrix, right)
    moves = np.asarray(change[head:].reshape(photos, 6))
    coefficient_change = np.asarray(change[:head].reshape(3, modes).T)
    return coefficient_change, np.asarray(moves[:, :3]), np.asarray(moves[:, 3:])
