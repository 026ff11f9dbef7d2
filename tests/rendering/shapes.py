"""Triangle meshes that the tests make themselves."""

import numpy as np
from scipy.spatial import ConvexHull

from fastavatar.geometry import Array, Ints
from tests.synthetic_capture import fibonacci_directions


def ball(radius: float = 1.0, count: int = 2000) -> tuple[Array, Ints]:
    """A sphere of triangles, counter-clockwise from outside."""
    vertices = radius * fibonacci_directions(count).double().numpy()
    faces = ConvexHull(vertices).simplices.astype(np.int64)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    inward = np.einsum("fi,fi->f", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    return vertices, faces
