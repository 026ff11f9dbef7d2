"""Texture coordinates for any closed surface: flat charts along the six axes, packed into a square.

Our own, because xatlas, whose charts are fewer, takes 5 s for 30,000 triangles and has no wheel for Python
3.14.
"""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from fastavatar.geometry import Array, Bools, Ints, edge_graph, row_mean, unit_vectors, vertex_normals
from fastavatar.meshing import rasterise_layout

AXES = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float64)
SIDEWAYS = np.array([[0, 0, -1], [0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0], [-1, 0, 0]], np.float64)
"""The direction of u for a chart along each axis; v follows, so that no chart is mirrored."""
SMOOTHING = 12
"""Rounds in which normals take the mean of their neighbours', so that charts have straight borders."""
SMALLEST_FACES = 24
"""Charts of fewer triangles join a neighbour that they do not turn away from."""
LEAST_COSINE = 0.2
"""Triangles that turn farther from their chart's axis, by more than 78°, would be stretched too much."""
GAP = 6.0 / 1024
"""Distance between charts, as a share of the square: 12 texels of a texture of 2048."""
SPLITS = 6
"""Rounds in which triangles that lie behind others of their chart get a chart of their own."""
SAME_HEIGHT = 0.004
"""Share of the surface's size by which a triangle must lie behind another one: 2 mm of a bust."""
TEST_PX = 1024
"""Side of the picture in which charts are tested for overlaps."""


def unwrap(vertices: Array, faces: Ints) -> tuple[Array, Ints]:
    """Coordinates (U, 2) in 0…1 and their indices (F, 3) for vertices (V, 3) and triangles (F, 3).

    No two triangles overlap, but for slivers narrower than a thousandth of the square. All charts have one
    scale.
    """
    axis_of = _axes_of(vertices, faces)
    neighbours = _neighbours(faces)
    chart_of = _charts(axis_of, neighbours)
    uv, uv_faces = _packed(vertices, faces, axis_of, chart_of)
    for _ in range(SPLITS):
        hidden = _overlapped(vertices, faces, axis_of, uv, uv_faces)
        if not hidden.any():
            break
        # What is hidden becomes charts of its own: each piece of what was one chart, seen or hidden
        chart_of = _charts(2 * chart_of + hidden, neighbours)
        uv, uv_faces = _packed(vertices, faces, axis_of, chart_of)
    return uv, uv_faces


def _axes_of(vertices: Array, faces: Ints) -> Ints:
    """(F,) the axis that each triangle faces, much the same for neighbours."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    own = unit_vectors(np.cross(b - a, c - a))
    mean = row_mean(edge_graph(faces, len(vertices)))
    smooth = vertex_normals(vertices, faces)
    for _ in range(SMOOTHING):
        smooth = mean @ smooth
    axis = (smooth[faces].sum(1) @ AXES.T).argmax(1)
    turned_away = (own * AXES[axis]).sum(1) < LEAST_COSINE
    axis[turned_away] = (own[turned_away] @ AXES.T).argmax(1)
    neighbours = _neighbours(faces)
    for _ in range(SPLITS):
        chart = _charts(axis, neighbours)
        small = np.flatnonzero(np.bincount(chart)[chart] < SMALLEST_FACES)
        if not len(small):
            break
        for side in neighbours[small].T:
            new = axis[side]
            fits = (side >= 0) & ((own[small] * AXES[new]).sum(1) > LEAST_COSINE)
            axis[small[fits]] = new[fits]
    return np.asarray(axis)


def _neighbours(faces: Ints) -> Ints:
    """(F, 3) the triangle beyond each edge, from its first corner on; −1 where there is none."""
    starts, ends = faces.T.reshape(-1), np.roll(faces, -1, 1).T.reshape(-1)
    size = int(faces.max()) + 1
    there, back = starts * size + ends, ends * size + starts
    order = np.argsort(there, kind="stable")
    place = np.searchsorted(there[order], back).clip(max=len(order) - 1)
    met = there[order[place]] == back
    return np.asarray(np.where(met, order[place] % len(faces), -1).reshape(3, -1).T)


def _charts(label: Ints, neighbours: Ints) -> Ints:
    """(F,) the number of the piece of neighbours of one label to which each triangle belongs."""
    one = np.repeat(np.arange(len(label)), 3)
    other = neighbours.reshape(-1)
    linked = (other >= 0) & (label[one] == label[other])
    links = csr_matrix((np.ones(int(linked.sum())), (one[linked], other[linked])), (len(label), len(label)))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _packed(vertices: Array, faces: Ints, axis_of: Ints, chart_of: Ints) -> tuple[Array, Ints]:
    """Coordinates (U, 2) in 0…1 of the charts' corners, and their indices (F, 3)."""
    corners = np.repeat(chart_of, 3) * len(vertices) + faces.reshape(-1)
    pairs, index = np.unique(corners, return_inverse=True)
    chart, vertex = np.divmod(pairs, len(vertices))
    axis = np.zeros(int(chart_of.max()) + 1, np.int64)
    axis[chart_of] = axis_of
    places = vertices[vertex]
    across = SIDEWAYS[axis[chart]]
    flat = np.stack([(places * across).sum(1), (places * np.cross(AXES[axis[chart]], across)).sum(1)], 1)
    low, high = np.full((len(axis), 2), np.inf), np.full((len(axis), 2), -np.inf)
    np.minimum.at(low, chart, flat)
    np.maximum.at(high, chart, flat)
    sides = high - low
    scale, corner = _largest_that_fits(sides)
    uv = GAP / 2 + corner[chart] + scale * (flat - low[chart])
    return uv, index.reshape(-1, 3).astype(np.int64)


def _largest_that_fits(sides: Array) -> tuple[float, Array]:
    """The scale at which rectangles of `sides` (C, 2) fit into the square, and their corners (C, 2)."""
    low, high = 0.0, 1 / float(sides.max())
    corners = np.zeros_like(sides)
    for _ in range(30):
        scale = (low + high) / 2
        placed = _on_shelves(scale * sides + GAP)
        if placed is None:
            high = scale
        else:
            low, corners = scale, placed
    return low, corners


def _on_shelves(sides: Array) -> Array | None:
    """Corners (C, 2) of rectangles in the unit square: the highest first, from left to right, then above."""
    corners = np.zeros_like(sides)
    right = bottom = top = 0.0
    for chart in np.lexsort((-sides[:, 0], -sides[:, 1])):
        width, height = sides[chart]
        if right + width > 1:
            right, bottom = 0.0, top
        corners[chart] = right, bottom
        right, top = right + width, max(top, bottom + height)
        if right > 1 or top > 1:
            return None
    return corners


def _overlapped(vertices: Array, faces: Ints, axis_of: Ints, uv: Array, uv_faces: Ints) -> Bools:
    """(F,) which triangles lie behind another one of their chart, seen along its axis."""
    heights = np.zeros(len(uv))
    heights[uv_faces.reshape(-1)] = (vertices[faces] * AXES[axis_of][:, None]).sum(2).reshape(-1)
    layout = rasterise_layout(uv, uv_faces, TEST_PX, heights=heights)
    middle = uv[uv_faces].mean(1)
    column, row = (
        np.clip((side * TEST_PX).astype(np.int64), 0, TEST_PX - 1)
        for side in (middle[:, 0], 1 - middle[:, 1])
    )
    owner = layout.face[row, column]
    own = heights[uv_faces]
    # Neighbours of a narrow triangle own the texel at its middle, too, but at its own height
    behind = layout.height[row, column] - own.mean(1) > np.ptp(own, axis=1) + SAME_HEIGHT * np.ptp(vertices)
    return np.asarray((owner >= 0) & (owner != np.arange(len(faces))) & behind)
