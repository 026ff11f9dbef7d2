"""Finishes a closed surface: Taubin's smoothing, fewer triangles, and the test that it is still closed."""

import numpy as np

from fastavatar.geometry import Array, Ints, edge_graph, row_mean

TAUBIN = (0.5, -0.53)
"""Steps of a round: shrink, then grow a little more, which smooths without shrinking. Source: Taubin, "A
signal processing approach to fair surface design" (1995)."""
TRIES = ((5, 1.0), (3, 1.0), (5, 1.1), (3, 1.1), (3, 1.3), (3, 1.6), (2, 2.0))
"""How greedy simplification is (the library's `agg`), and how many triangles are kept, as multiples of those
wanted, until it leaves the surface closed. The first does for smooth surfaces."""


def smoothed(vertices: Array, faces: Ints, rounds: int) -> Array:
    """The vertices (V, 3) after `rounds` of Taubin's smoothing over the edges of `faces` (F, 3)."""
    mean = row_mean(edge_graph(faces, len(vertices)))
    for _ in range(rounds):
        for step in TAUBIN:
            vertices = vertices + step * (mean @ vertices - vertices)
    return vertices


def simplified(vertices: Array, faces: Ints, count: int) -> tuple[Array, Ints] | None:
    """The closed surface with about `count` triangles, by quadric error; itself if it has no more.

    Where collapsing edges opens it, up to twice as many are kept. None if it is opened even so.
    """
    if count >= len(faces):
        return vertices, faces
    import fast_simplification

    low, size = vertices.min(0), float(np.ptp(vertices, axis=0).max())
    scaled = (vertices - low) / size  # the library's thresholds are absolute, and its numbers are floats
    for greed, share in TRIES:
        kept, triangles = fast_simplification.simplify(
            scaled.astype(np.float32), faces.astype(np.int32), target_count=round(count * share), agg=greed
        )
        used, index = np.unique(triangles, return_inverse=True)
        if is_closed(index.reshape(-1, 3)):
            return low + size * kept[used].astype(np.float64), index.reshape(-1, 3).astype(np.int64)
    return None


def is_closed(faces: Ints) -> bool:
    """Whether every edge of the triangles (F, 3) belongs to two of them, which run along it both ways."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    if not len(edges) or (edges[:, 0] == edges[:, 1]).any():
        return False
    size = int(faces.max()) + 1
    there, back = np.sort(edges @ [size, 1]), np.sort(edges @ [1, size])
    return bool((there == back).all() and (np.diff(there) > 0).all())
