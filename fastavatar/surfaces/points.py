"""A surface given by points, and its normals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from fastavatar.geometry import Array, Ints, nearest_neighbours, neighbour_graph


@dataclass(frozen=True)
class Surface:
    """Points of a surface with normals."""

    points: Array
    """(N, 3) metres."""
    normals: Array
    """(N, 3) unit length, outward."""

    def with_more(self, points: Array, normals: Array) -> "Surface":
        """The surface with further points (M, 3) and normals (M, 3) appended."""
        return Surface(np.concatenate([self.points, points]), np.concatenate([self.normals, normals]))

    def subset(self, index: NDArray[np.bool_] | Ints) -> "Surface":
        """The points that `index`, (N,) of booleans or (M,) of integers, selects."""
        return Surface(self.points[index], self.normals[index])


def surface_of(points: Array) -> Surface:
    """The surface through points (N, 3): its normals are those of planes fitted to each point's neighbours.

    Signs are made to agree along a spanning tree of the neighbour graph, and each connected piece then faces
    away from its own middle (Hoppe et al. 1992, section 3.3).
    """
    nearest = nearest_neighbours(points)[1]
    around = points[nearest] - points[:, None]
    # The direction of least variance of the neighbours
    normals = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))[1][:, :, 0]
    links = neighbour_graph(points).tocoo()
    disagreement = 1 - np.abs((normals[links.row] * normals[links.col]).sum(1))
    distance = np.linalg.norm(points[links.row] - points[links.col], axis=1)
    # The tree prefers edges between parallel planes, then short ones
    cost = disagreement + distance / max(float(distance.max()), 1e-12) * 0.1 + 1e-6
    tree = minimum_spanning_tree(csr_matrix((cost, (links.row, links.col)), links.shape))
    pieces, piece_of = connected_components(tree, directed=False)
    # From the root outward each normal takes the sign of the one before it
    for piece in range(pieces):
        members = np.flatnonzero(piece_of == piece)
        order, before = breadth_first_order(tree, members[0], directed=False)
        for point in order[1:]:
            if normals[point] @ normals[before[point]] < 0:
                normals[point] *= -1
        outward = points[members] - points[members].mean(0)
        if (outward * normals[members]).sum() < 0:
            normals[members] *= -1
    return Surface(points, normals)
