"""Packs the islands of a UV map anew: upright, each at a share of the texture that suits what it shows."""

import numpy as np
from scipy.sparse.csgraph import connected_components

from fastavatar.geometry import Array, Ints, edge_graph, triangle_areas

MARGIN = 0.006
"""Space about an island, as a share of the map: 6 texels of a texture of 1024."""


def packed_uv(uv: Array, uv_faces: Ints, vertices: Array, faces: Ints, density: Array) -> Array:
    """Coordinates (U, 2) in 0…1 whose islands do not overlap.

    `uv` (U, 2) and `uv_faces` (F, 3) are the map as it is, `vertices` (V, 3) and `faces` (F, 3) the surface,
    `density` (F,) how many texels along a metre each triangle gets, in proportion to others.
    """
    _, island = connected_components(edge_graph(uv_faces, len(uv)), directed=False)
    height = np.zeros(len(uv))
    height[uv_faces] = vertices[faces, 1]
    flat = np.column_stack([uv, np.zeros(len(uv))])
    on_surface = triangle_areas(vertices, faces) * density**2
    on_map = triangle_areas(flat, uv_faces)
    boxes, placed = [], np.array(uv)
    for k in range(island.max() + 1):
        here, triangles = island == k, island[uv_faces[:, 0]] == k
        scale = np.sqrt(on_surface[triangles].sum() / on_map[triangles].sum())
        turned = scale * _upright(uv[here], height[here])
        placed[here] = turned - turned.min(0)
        boxes.append(np.ptp(turned, axis=0))
    sizes = np.array(boxes)
    sizes += 2 * MARGIN * np.sqrt(sizes.prod(1).sum())
    side, corners = min((_shelves(sizes, width) for width in _widths(sizes)), key=lambda found: found[0])
    margin = MARGIN * np.sqrt(np.array(boxes).prod(1).sum())
    return np.asarray((placed + corners[island] + margin) / side)


def _upright(points: Array, height: Array) -> Array:
    """Points (N, 2) turned by quarters until the second axis rises most with `height` (N,)."""
    best = max(range(4), key=lambda quarter: _rise(_quarters(points, quarter), height))
    return _quarters(points, best)


def _quarters(points: Array, count: int) -> Array:
    turn = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]])[count]
    return np.asarray(points @ turn)


def _rise(points: Array, height: Array) -> float:
    return float((points[:, 1] - points[:, 1].mean()) @ (height - height.mean()))


def _widths(sizes: Array) -> Array:
    """Widths of the map to try."""
    least = max(float(sizes[:, 0].max()), float(np.sqrt(sizes.prod(1).sum())))
    return least * np.linspace(1, 1.6, 61)


def _shelves(sizes: Array, width: float) -> tuple[float, Array]:
    """Side of the square that holds boxes (N, 2) on shelves of `width`, and the boxes' lower left corners."""
    corners = np.zeros_like(sizes)
    x = y = shelf = 0.0
    for k in np.argsort(-sizes[:, 1]):
        if x + sizes[k, 0] > width + 1e-9:
            x, y, shelf = 0.0, y + shelf, 0.0
        corners[k] = x, y
        x, shelf = x + sizes[k, 0], max(shelf, sizes[k, 1])
    return max(width, y + shelf), corners
