"""Values that spread over the points of a surface, from neighbour to neighbour."""

import numpy as np
from scipy.sparse import csr_matrix, diags

from fastavatar.geometry.arrays import Array


def row_mean(weights: csr_matrix) -> csr_matrix:
    """The matrix (N, N) that takes each row's mean by `weights` (N, N), 0 where a row has none."""
    return csr_matrix(diags(1 / np.maximum(np.asarray(weights.sum(1)).ravel(), 1e-9)) @ weights)


def diffused(values: Array, mean: csr_matrix, steps: int) -> Array:
    """Values (N, ...) after so many steps, in each of which they move half-way to their `mean` (N, N)."""
    for _ in range(steps):
        values = (values + mean @ values) / 2
    return values
