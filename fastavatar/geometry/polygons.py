"""Polygons in the plane."""

import numpy as np

from fastavatar.geometry import Array, Bools


def inside_polygon(points: Array, polygon: Array) -> Bools:
    """Which of the points (N, 2) lie inside the polygon (M, 2).

    A ray to the right crosses it an odd number of times.
    """
    a, b = polygon, np.roll(polygon, -1, 0)
    x, y = points[:, :1], points[:, 1:]
    # Sides that span the point's height; one end counts and the other does not, so no corner counts twice
    between = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return np.asarray(np.sum(between & (x < crossing), 1) % 2 == 1)
