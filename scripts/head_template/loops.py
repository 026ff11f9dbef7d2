"""Boundary loops of triangle meshes: finding them and joining two by a strip of triangles."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fastavatar.geometry import boundary_loops, edge_graph, row_mean

Points = NDArray[np.float64]
Ints = NDArray[np.int64]


def boundary_loop(triangles: Ints, start: int) -> Ints:
    """Vertices of the boundary loop through `start`, from there on, in the direction of the triangles."""
    (loop,) = (loop for loop in boundary_loops(triangles) if start in loop)
    return np.roll(loop, -int(np.flatnonzero(loop == start)[0]))


def hole_around(triangles: Ints) -> Ints:
    """The hole in the skull that the face fills: the longest boundary loop."""
    return max(boundary_loops(triangles), key=len)


def largest_part(triangles: Ints) -> Ints:
    """The triangles of the largest connected part."""
    a, b = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]]).T
    size = int(triangles.max()) + 1
    _, label = connected_components(coo_matrix((np.ones(len(a)), (a, b)), (size, size)), directed=False)
    part = label[triangles[:, 0]]
    return np.asarray(triangles[part == np.bincount(part).argmax()])


def grown(polygon: Points, margin: float) -> Points:
    """A polygon (M, 2) moved outward from its middle by `margin`."""
    out = polygon - polygon.mean(0)
    return np.asarray(polygon + margin * out / np.linalg.norm(out, axis=1, keepdims=True))


def zip_loops(vertices: Points, inner: Ints, outer: Ints) -> Ints:
    """Triangles of the strip between two loops; the loop that is behind in angle advances by an edge."""
    middle = vertices[inner].mean(0)

    def unrolled(loop: Ints) -> tuple[Ints, Points]:
        offset = vertices[loop] - middle
        angle = np.unwrap(np.arctan2(offset[:, 0], offset[:, 1]))
        if angle[-1] < angle[0]:
            loop, angle = loop[::-1], angle[::-1]
        first = int(np.argmin(np.abs(np.mod(angle + np.pi, 2 * np.pi) - np.pi)))
        loop = np.roll(loop, -first)
        offset = vertices[loop] - middle
        angle = np.maximum.accumulate(np.unwrap(np.arctan2(offset[:, 0], offset[:, 1])))
        return np.append(loop, loop[0]), np.append(angle, angle[0] + 2 * np.pi)

    (a, angle_a), (b, angle_b) = unrolled(inner), unrolled(outer)
    i, j, strip = 0, 0, []
    while i < len(a) - 1 or j < len(b) - 1:
        advance_a = j == len(b) - 1 or (i < len(a) - 1 and angle_a[i + 1] <= angle_b[j + 1])
        if advance_a:
            strip.append((a[i], b[j], a[i + 1]))
            i += 1
        else:
            strip.append((a[i], b[j], b[j + 1]))
            j += 1
    return np.array(strip)[:, ::-1]


def smooth_seam(vertices: Points, faces: Ints, hole: Ints, rings: int = 4, rounds: int = 30) -> Points:
    """Vertices (V, 3) with those of the skull near the seam moved toward the mean of their neighbours."""
    link = edge_graph(faces, len(vertices))
    mean = row_mean(link)
    free = np.zeros(len(vertices))
    free[hole] = 1
    for _ in range(rings):
        free = np.maximum(free, (link @ free > 0) * (free.max() * 0.999))
    free[:478] = 0
    out = vertices.copy()
    for _ in range(rounds):
        out += 0.5 * (free > 0)[:, None] * (mean @ out - out)
    return out
