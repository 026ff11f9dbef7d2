"""Least squares for the coefficients of one head and the poses of several photos."""

from collections.abc import Iterable

import numpy as np

from fastavatar.geometry.arrays import Array
from fastavatar.models.facemesh.sighting import Equations

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
