"""The space that the network works in: a unit sphere about head and shoulders."""

import numpy as np

from fastavatar.geometry import Array

CENTER_M, RADIUS_M = (0.0, -0.1, -0.06), 0.42
"""The unit sphere, head frame: it holds head and shoulders of each of 30 people of the parametric head.

A point x in metres is (x − `CENTER_M`) / `RADIUS_M` in it. It is the same for everybody, because a network
that looks at a photo has to learn sizes, too.
"""
GRID = 128
"""Points along a side of the cube about the unit sphere where the mean head's distance is known: they are
6.6 mm apart, which rounds a nose off by 0.5 mm."""


def grid_points(size: int = GRID) -> Array:
    """(G³, 3) points of that cube in metres, head frame; the last axis runs fastest."""
    axis = np.linspace(-1, 1, size)
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    return np.asarray(places * RADIUS_M + CENTER_M)
