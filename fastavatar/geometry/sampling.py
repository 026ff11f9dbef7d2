"""Choosing points that cover a set evenly."""

import numpy as np

from fastavatar.geometry import Array, Ints


def farthest_points(points: Array, count: int) -> Ints:
    """Indices (count,) of `points` (N, D): the first point, then each time the one farthest from all chosen.

    Source: Gonzalez 1985. `count` must not exceed N.
    """
    chosen, distance = [0], np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.asarray(chosen, np.int64)
