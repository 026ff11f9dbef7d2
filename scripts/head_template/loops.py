"""Boundary loops of triangle meshes: finding them and joining two by a strip of triangles."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import connected_components

Points = NDArray[np.float64]
Ints = NDArray[np.int64]


def opposite_corners(triangles: Ints) -> dict[tuple[int, int], int]:
    """The corner that completes the triangle of each directed edge."""
    return {(int(t[k]), int(t[(k + 1) % 3])): int(t[(k + 2) % 3]) for t in triangles for k in range(3)}


def boundary_loop(triangles: Ints, start: int) -> Ints:
    """Vertices of the boundary through `start`, in the order of the triangles' edges."""
    opposite = opposite_corners(triangles)
    following = {a: b for a, b in opposite if (b, a) not in opposite}
    loop = [start]
    while following[loop[-1]] != start:
        loop.append(following[loop[-1]])
    return np.array(loop)


def hole_around(triangles: Ints) -> Ints:
    """The hole in the skull that the face fills: the longest boundary loop."""
    opposite = opposite_corners(triangles)
    rest = {a for a, b in opposite if (b, a) not in opposite}
    loops = []
    while rest:
        loops.append(boundary_loop(triangles, min(rest)))
        rest -= set(loops[-1].tolist())
    return max(loops, key=len)


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
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    size = len(vertices)
    link = coo_matrix((np.ones(2 * len(a)), (np.append(a, b), np.append(b, a))), (size, size)).tocsr()
    link.data[:] = 1
    mean = diags(1 / np.maximum(np.asarray(link.sum(1)).ravel(), 1)) @ link
    free = np.zeros(size)
    free[hole] = 1
    for _ in range(rings):
        free = np.maximum(free, (link @ free > 0) * (free.max() * 0.999))
    free[:478] = 0
    out = vertices.copy()
    for _ in range(rounds):
        out += 0.5 * (free > 0)[:, None] * (mean @ out - out)
    return out
