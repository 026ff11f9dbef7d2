"""Least squares for the coefficients of one head and the poses of several photos."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fastavatar.geometry import Array


@dataclass(frozen=True)
class Equations:
    """Linearised residuals of K points in one photo."""

    photo: int
    """Index of the photo."""
    residual: Array
    """(K, E) observed minus predicted, in standard deviations."""
    jacobian: Array
    """(K, E, 3) derivative of the prediction by the point's position in camera axes, per metre."""
    turned: Array
    """(K, 3) the points rotated into camera axes, without the translation, metres."""
    rotation: Array
    """(3, 3) from the head frame to camera axes."""
    deformations: Array
    """(K, M) movement of the points per unit of each of the head's coefficients; see
    `smooth_deformations`."""
    fixes_position: bool = True
    """Whether the residuals depend on the head's position, not only on its rotation and shape."""


@dataclass(frozen=True)
class Sighting:
    """K points of the surface, and where they are observed in one photo."""

    photo: int
    """Index of the photo."""
    points: Array
    """(K, 3) their current positions, head frame, metres."""
    deformations: Array
    """(K, M) as in `Equations`."""
    on_plane: Array
    """(K, 2) observed positions: x and y in camera axes at depth 1."""
    whitening: Array
    """(K, 2, 2) from metres across the line of sight, at the point's depth, to standard deviations."""

    def equations(self, pose: Array) -> Equations:
        """The residuals, linearised, for a head with pose (4, 4) from head frame to camera axes."""
        rotation = pose[:3, :3]
        turned = self.points @ rotation.T
        placed = turned + pose[:3, 3]
        # The residual in metres at depth z is u·z − x, with u observed at depth 1; so d(x − u·z) = dx − u·dz,
        # in which the predicted x/z stands for u to first order
        jacobian = np.zeros((len(placed), 2, 3))
        jacobian[:, 0, 0] = jacobian[:, 1, 1] = 1
        jacobian[:, :, 2] = -placed[:, :2] / placed[:, 2:]
        residual = np.einsum("kij,kj->ki", self.whitening, self.on_plane * placed[:, 2:] - placed[:, :2])
        jacobian = np.einsum("kij,kjc->kic", self.whitening, jacobian)
        return Equations(self.photo, residual, jacobian, turned, rotation, self.deformations)


def isotropic(weights: Array) -> Array:
    """(K, 2, 2) whitening of points known equally well in all directions, from weights (K,) per metre."""
    return np.asarray(weights[:, None, None] * np.eye(2))


def saturating(residuals: Array) -> Array:
    """Robust weights (K,) of residuals (K,) in standard deviations: Cauchy's, with a scale of three."""
    return np.asarray(1 / np.sqrt(1 + (residuals / 3) ** 2))


# Weight of each residual against the prior: neighbouring points err alike, so they are fewer than they seem.
# Chosen on both captures with three photos.
_CORRELATED = 0.35
_DAMPING = 1e-6  # Levenberg's, relative to the mean of the diagonal; it only keeps the matrix regular


def solve(equations: Iterable[Equations], coefficients: Array, photos: int) -> tuple[Array, Array, Array]:
    """One Gauss–Newton step: changes of the coefficients (M, 3), rotations and shifts (P, 3) of the poses.

    Rotations are rotation vectors about the head's origin, shifts metres, both in camera axes. The prior of
    the changed coefficients is standard normal.
    """
    modes = len(coefficients)
    head, size = 3 * modes, 3 * modes + 6 * photos
    # Normal equations JᵀJ Δ = Jᵀr; unknowns are the coefficients by axis, then six numbers a photo
    matrix, right = np.zeros((size, size)), np.zeros(size)
    matrix[range(head), range(head)] = 1
    right[:head] = -coefficients.T.ravel()
    for given in equations:
        rows = np.zeros((*given.residual.shape, size))
        in_head = given.jacobian @ given.rotation  # by movement in the head frame
        by_mode = in_head[..., None] * given.deformations[:, None, None, :]
        rows[..., :head] = by_mode.reshape(*given.residual.shape, head)
        pose = head + 6 * given.photo
        # d(ω × p)·J = ω·(p × J)
        rows[..., pose : pose + 3] = np.cross(given.turned[:, None, :], given.jacobian)
        if given.fixes_position:
            rows[..., pose + 3 : pose + 6] = given.jacobian
        flat = _CORRELATED * rows.reshape(-1, size)
        matrix += flat.T @ flat
        right += flat.T @ (_CORRELATED * given.residual.ravel())
    matrix[range(size), range(size)] += _DAMPING * np.trace(matrix) / size
    change = np.linalg.solve(matrix, right)
    moves = np.asarray(change[head:].reshape(photos, 6))
    coefficient_change = np.asarray(change[:head].reshape(3, modes).T)
    return coefficient_change, np.asarray(moves[:, :3]), np.asarray(moves[:, 3:])
