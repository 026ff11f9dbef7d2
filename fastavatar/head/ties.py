"""Places of skin that two photos show as equations: they tie the cameras of both to one head.

Landmarks slide along a face that turns, by up to a centimetre at its rim; the same skin found in two pictures
does not. What ties know is where two rays meet, not where the head has that skin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import Array, Ints
from fastavatar.head import EXPRESSIONS, HeadShot, ParametricHead, posed_points

SURFACE_SIGMA_M = 0.004
"""Standard deviation of a place of skin from where the fitted head has it."""
EXACT_PX = 0.1
"""Standard deviation of a place in the first photo."""
HUBER_SIGMAS = 2.0
"""Residuals beyond this count linearly, not squared (Huber 1964)."""


@dataclass(frozen=True)
class Ties:
    """K places of skin that two photos show."""

    photos: tuple[int, int]
    """Their numbers."""
    mean: Array
    """(K, 3) the places on the average head, metres, head frame."""
    modes: Array
    """(M, K, 3) their movements per coefficient of identity."""
    actions: Array
    """(E, K, 3) those per weight of `EXPRESSIONS`."""
    pixels: tuple[Array, Array]
    """(K, 2) where either photo shows them."""
    covariance: Array
    """(K, 2, 2) of the pixels in the second photo, square pixels; in the first one it is `EXACT_PX`."""

    @classmethod
    def of(
        cls,
        head: ParametricHead,
        photos: tuple[int, int],
        corners: Ints,
        weights: Array,
        pixels: tuple[Array, Array],
        covariance: Array,
    ) -> "Ties":
        """Ties at barycentric `weights` (K, 3) of the head's triangles with `corners` (K, 3)."""

        def at(values: Array | NDArray[np.float32]) -> Array:
            return np.asarray(np.einsum("kc,...kcx->...kx", weights, values[..., corners, :]))

        return cls(photos, at(head.mean), at(head.modes), at(head.actions)[EXPRESSIONS], pixels, covariance)


def tie_equations(
    ties: Ties, shots: Sequence[HeadShot], centers_px: Sequence[tuple[float, float]], identity: Array
) -> tuple[Array, Array]:
    """Residuals (4 K,) in standard deviations, and their derivatives (4 K, 2 (7 + E) + M), robustly weighted.

    The unknowns are those of the first photo's `HeadShot.moved` and expression, of the second one's, then the
    identity. The place of each tie is free around the head's; it is eliminated (Schur complement).
    """
    residuals, free, jacobians = [], [], []
    for photo, pixels in zip(ties.photos, ties.pixels, strict=True):
        shot = shots[photo]
        points = (
            ties.mean + np.tensordot(identity, ties.modes, 1) + np.tensordot(shot.expression, ties.actions, 1)
        )
        shown, by_point, by_unknown = posed_points(points, shot, centers_px[photo], ties.actions, ties.modes)
        residuals.append(pixels - shown)
        free.append(by_point)
        jacobians.append(by_unknown)
    count, own = len(ties.mean), jacobians[0].shape[2] - len(ties.modes)
    residual = np.concatenate(residuals, 1)
    jacobian = np.zeros((count, 4, 2 * own + len(ties.modes)))
    for side, one in enumerate(jacobians):
        rows = slice(2 * side, 2 * side + 2)
        jacobian[:, rows, side * own : (side + 1) * own] = one[..., :own]
        jacobian[:, rows, 2 * own :] = one[..., own:]
    # With r = J x + F δ + noise and δ ~ N(0, σ²), the residual's covariance is N + σ² F Fᵀ
    by_place = np.concatenate(free, 1)
    covariance = SURFACE_SIGMA_M**2 * by_place @ by_place.transpose(0, 2, 1)
    covariance[:, :2, :2] += EXACT_PX**2 * np.eye(2)
    covariance[:, 2:, 2:] += ties.covariance
    factor = np.linalg.cholesky(covariance)
    residual = np.linalg.solve(factor, residual[..., None])[..., 0]
    jacobian = np.linalg.solve(factor, jacobian)
    length = np.linalg.norm(residual, axis=1)
    share = np.sqrt(np.minimum(1, HUBER_SIGMAS / np.maximum(length, 1e-9)))[:, None]
    return (residual * share).ravel(), (jacobian * share[..., None]).reshape(-1, jacobian.shape[2])
