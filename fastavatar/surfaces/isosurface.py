"""The closed surface where a volume of signed distances changes sign."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from fastavatar.geometry import Array, Ints, edge_graph

_LEAST_SHARE = 0.02
"""Share of a voxel that the surface keeps from every voxel's centre: 0.1 mm of 5 mm. Nearer, vertices of
several edges would lie in one place, and readers that join such vertices would join the surface to itself."""


def isosurface(distances: NDArray[np.float32], origin: Array, voxel_m: float) -> tuple[Array, Ints]:
    """Vertices (V, 3), metres, and triangles (F, 3), wound outward, of a volume (X, Y, Z), negative inside.

    `origin` (3,) is the centre of the first voxel. The surface is closed, as all beyond the volume is
    outside, and no two vertices are in one place; it has no triangle where no voxel is inside. Source:
    Lewiner et al. 2003, by scikit-image.
    """
    from skimage import measure

    padded = np.pad(distances, 1, constant_values=max(1.0, float(distances.max(initial=0))))
    if not (padded < 0).any():
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    steps = np.abs(np.diff(padded, axis=0))[(padded[1:] < 0) != (padded[:-1] < 0)]
    least = np.float32(_LEAST_SHARE * steps.mean())
    padded = np.where(np.abs(padded) < least, np.copysign(least, padded), padded)
    cut = measure.marching_cubes(padded, 0.0, allow_degenerate=False)  # type: ignore[no-untyped-call]
    vertices, faces = cut[:2]
    return origin + (vertices.astype(np.float64) - 1) * voxel_m, faces.astype(np.int64)


def volumes_of_pieces(vertices: Array, faces: Ints) -> tuple[Array, Ints]:
    """Six times the volume (P,) of each piece, negative for cavities, and the piece (F,) of each face."""
    piece_of = connected_components(edge_graph(faces, len(vertices)), directed=False)[1][faces[:, 0]]
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    # The tetrahedra between the origin and each triangle
    volumes = np.bincount(piece_of, (a * np.cross(b, c)).sum(1))
    return volumes.astype(np.float64), piece_of.astype(np.int64)
