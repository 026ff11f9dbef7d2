"""Smooth random fields in space, for colours and shapes that vary from place to place."""

import numpy as np
from scipy.ndimage import map_coordinates

from fastavatar.geometry import Array

_SIDE = 32
"""Cells along each axis of the lattice, after which it repeats: 32 grains are wider than a face."""


class Noise:
    """Independent fields, each by trilinear interpolation in a lattice of normal numbers (value noise)."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def at(self, places: Array, grain_m: float) -> Array:
        """A new field (N,) at `places` (N, 3), metres: mean 0, variance 1 or so, smooth over `grain_m`."""
        lattice = self._random.standard_normal((_SIDE,) * 3, np.float32)
        shifted = (places / grain_m + self._random.uniform(0, _SIDE, 3)).T
        # Trilinear interpolation leaves 8/27 of the variance on average
        return np.asarray(map_coordinates(lattice, shifted, order=1, mode="grid-wrap") * np.sqrt(27 / 8))

    def rough(self, places: Array, grain_m: float, octaves: int = 3) -> Array:
        """A sum (N,) of fields, each with half the grain and 0.6 of the height of the one before."""
        heights = 0.6 ** np.arange(octaves)
        total = sum(height * self.at(places, grain_m / 2**k) for k, height in enumerate(heights))
        return np.asarray(total / np.sqrt((heights**2).sum()))
