"""Radial basis functions of compact support."""

import numpy as np
from scipy.spatial.distance import cdist

from fastavatar.geometry import Array


def wendland_c2(distance: Array, radius: float) -> Array:
    """Wendland's C2 kernel (1 − r)⁴(4r + 1) of r = distance / radius; 0 from the radius on.

    The kernel is positive definite in three dimensions (Wendland 1995), so its matrices can be inverted.
    """
    r = np.minimum(distance / radius, 1)
    return np.asarray((1 - r) ** 4 * (4 * r + 1))


def spread_offsets(points: Array, anchors: Array, offsets: Array, radius: float, ridge: float) -> Array:
    """Offsets (N, 3) at `points` (N, 3), smooth, from `offsets` (A, 3) known at `anchors` (A, 3).

    They vanish farther than `radius` from every anchor. `ridge` is added to the diagonal of the kernel
    matrix: near 0 interpolates, larger values smooth noisy anchors.
    """
    system = wendland_c2(cdist(anchors, anchors), radius) + ridge * np.eye(len(anchors))
    return np.asarray(wendland_c2(cdist(points, anchors), radius) @ np.linalg.solve(system, offsets))
