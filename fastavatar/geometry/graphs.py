"""Neighbour graphs of points and meshes, and diffusion of values over them."""

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Ints

NEIGHBOURS = 8
"""Neighbours of a point: about those of one ring on a triangle mesh, with some to spare."""


def nearest_neighbours(points: Array) -> tuple[Array, Ints]:
    """Distances and indices (N, K) of each point's nearest others in `points` (N, 3), nearest first.

    K is 8, or N − 1 where there are fewer points.
    """
    count = min(NEIGHBOURS, len(points) - 1)
    distance, index = cKDTree(points).query(points, count + 1)
    return np.asarray(distance)[:, 1:], np.asarray(index, np.int64)[:, 1:]


def neighbour_graph(points: Array) -> csr_matrix:
    """(N, N) symmetric: 1 where one of two points (N, 3) is among the other's nearest."""
    # Being near is not mutual, so the graph is made symmetric
    nearest = nearest_neighbours(points)[1]
    rows = np.repeat(np.arange(len(points)), nearest.shape[1])
    graph = csr_matrix((np.ones(len(rows)), (rows, nearest.ravel())), (len(points), len(points)))
    return graph.maximum(graph.T).tocsr()


def edge_graph(faces: Ints, vertices: int) -> csr_matrix:
    """(V, V) symmetric: 1 where two vertices share an edge of the triangles `faces` (F, 3)."""
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    directed = csr_matrix((np.ones(len(a)), (a, b)), (vertices, vertices))
    graph = directed.maximum(directed.T).tocsr()
    graph.data[:] = 1.0  # an edge that several triangles run along in one direction counts once
    return graph


def row_mean(weights: csr_matrix) -> csr_matrix:
    """The matrix (N, N) that takes each row's mean by `weights` (N, N), 0 where a row has no weight."""
    return csr_matrix(diags(1 / np.maximum(np.asarray(weights.sum(1)).ravel(), 1e-9)) @ weights)


def diffused(values: Array, mean: csr_matrix, steps: int) -> Array:
    """Values (N, ...) after `steps` steps of v ← (v + mean v) / 2, with `mean` (N, N) from `row_mean`."""
    for _ in range(steps):
        values = (values + mean @ values) / 2
    return values
