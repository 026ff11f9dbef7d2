"""Triangle meshes as arrays: areas, normals, sampling, boundaries, nearest points.

A mesh is `vertices` (V, 3) in any unit and `faces` (F, 3), vertex indices counter-clockwise from outside.
"""

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Ints, unit_vectors


def triangle_areas(vertices: Array, faces: Ints) -> Array:
    """Areas (F,) in the square of the vertices' unit."""
    return np.asarray(np.linalg.norm(_crosses(vertices, faces), axis=1) / 2)


def cotangent_laplacian(vertices: Array, faces: Ints) -> csr_matrix:
    """(V, V) symmetric stiffness matrix of the surface's Laplacian, whose rows sum to 0; it has no unit.

    An edge conducts by half the cotangents of the angles opposite to it (Pinkall and Polthier 1993). Obtuse
    angles conduct nothing, so that diffusion never overshoots.
    """
    size, rows, columns, values = len(vertices), [], [], []
    for k in range(3):
        corner, start, end = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        a, b = vertices[start] - vertices[corner], vertices[end] - vertices[corner]
        area = np.linalg.norm(np.cross(a, b), axis=1)
        rows.append(start)
        columns.append(end)
        values.append(np.maximum((a * b).sum(1), 0) / np.maximum(area, 1e-15) / 2)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    half = csr_matrix(entries, (size, size))
    links = half + half.T
    return csr_matrix(diags(np.asarray(links.sum(1)).ravel()) - links)


def vertex_normals(vertices: Array, faces: Ints) -> Array:
    """Unit normals (V, 3), outward: the area-weighted mean of the triangles around each vertex."""
    # A cross product is twice the area times the normal, so their sum is weighted by area
    normals = np.zeros_like(vertices)
    crosses = _crosses(vertices, faces)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, corner], crosses[:, axis], len(vertices))
    return unit_vectors(normals)


def sample_triangles(vertices: Array, faces: Ints, spacing: Array | float) -> tuple[Ints, Array]:
    """Triangle indices (N,) and barycentric weights (N, 3) of points spread evenly over the surface.

    `spacing` (F,), or one number for all, is the distance between neighbouring points. The same arguments
    give the same points: they follow the R2 low-discrepancy sequence (Roberts 2018), folded into triangles.
    """
    # Point k belongs to the triangle in which the cumulated number of points passes k
    demand = np.cumsum(triangle_areas(vertices, faces) / spacing**2)
    count = int(demand[-1])
    owner = np.searchsorted(demand, np.arange(count) + 0.5)
    # Multiples of the inverse of the plastic number and of its square, modulo 1
    step = np.arange(count)[:, None] * [0.7548776662466927, 0.5698402909980532] % 1
    step = np.where(step.sum(1, keepdims=True) > 1, 1 - step, step)
    return owner, np.column_stack([1 - step.sum(1), step])


def boundary_loops(faces: Ints) -> list[Ints]:
    """Vertex indices (L,) of each loop of edges that only one of the triangles `faces` (F, 3) has.

    They run in the direction of the triangles and are split where they touch in a vertex. A closed mesh has
    none.
    """
    # An edge of two triangles runs both ways and cancels; what is left is the boundary
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    size = int(faces.max()) + 1
    directed = csr_matrix((np.ones(len(edges)), edges.T), (size, size))
    single = (directed - directed.T).tocoo()
    after: dict[int, list[int]] = {}
    for start, end, surplus in zip(single.row.tolist(), single.col.tolist(), single.data, strict=True):
        if surplus > 0:
            after.setdefault(start, []).append(end)
    loops = []
    while after:
        path = [next(iter(after))]
        while True:
            here = path[-1]
            following = after[here].pop()
            if not after[here]:
                del after[here]
            if following in path:  # a loop is closed; what led to it goes on as another
                at = path.index(following)
                loops.append(np.array(path[at:], np.int64))
                path = path[: at + 1]
                if path[-1] not in after:
                    break
            else:
                path.append(following)
                if following not in after:  # edges of a non-manifold mesh need not close
                    break
    return loops


def nearest_on_mesh(points: Array, vertices: Array, faces: Ints) -> tuple[Array, Array]:
    """Distances (N,) from `points` (N, 3) to the surface, and the surface points (N, 3) nearest; exact.

    The nearest vertex bounds the distance from above, so only triangles that could be nearer are tried.
    Triangles of about one size are searched together: a few large ones do not widen the search for all.
    """
    corners = vertices[faces]
    flat = corners.reshape(-1, 3)
    # Upper bounds from the vertices
    distances, index = cKDTree(flat).query(points)
    best, nearest = np.array(distances), flat[index]
    radii = np.linalg.norm(corners - corners.mean(1, keepdims=True), axis=-1).max(1)
    sizes = np.ceil(np.log2(np.maximum(radii, 1e-4)))
    for size in np.unique(sizes):
        _search_triangles(points, corners[sizes == size], best, nearest)
    return best, nearest


def nearest_on_triangles(points: Array, corners: Array) -> Array:
    """For each point (N, 3) the nearest point (N, 3) of its own triangle (N, 3, 3).

    That is the foot of the perpendicular where it lies inside, else the nearest point of an edge.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    square_area = (normal**2).sum(-1)
    inside = square_area > 1e-24  # a triangle without area is only its edges
    away = ((points - a) * normal).sum(-1) / np.where(inside, square_area, 1.0)
    foot = points - normal * away[:, None]
    best, best_square = foot, np.full(len(points), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        edge = end - start
        inside &= (np.cross(edge, foot - start) * normal).sum(-1) >= 0
        along = ((points - start) * edge).sum(-1) / np.maximum((edge**2).sum(-1), 1e-30)
        on_edge = start + np.clip(along, 0, 1)[:, None] * edge
        square = ((points - on_edge) ** 2).sum(-1)
        best = np.where((square < best_square)[:, None], on_edge, best)
        best_square = np.minimum(square, best_square)
    return np.asarray(np.where(inside[:, None], foot, best))


def _search_triangles(points: Array, corners: Array, best: Array, nearest: Array) -> None:
    """Lower `best` (N,) and move `nearest` (N, 3), in place, where a triangle of (T, 3, 3) is nearer.

    Triangles are tried by the distance of their centres, four at first, then twice as many each round,
    until the next centre is too far for its triangle to matter.
    """
    centres = corners.mean(1)
    reach = np.linalg.norm(corners - centres[:, None], axis=-1).max()
    tree = cKDTree(centres)
    left, tried, count = np.arange(len(points)), 0, 4
    while len(left) and tried < len(corners):
        count = min(count, len(corners))
        found = tree.query(points[left], k=np.arange(tried + 1, count + 1))
        apart, triangles = np.asarray(found[0]), np.asarray(found[1])
        for distance, triangle in zip(apart.T, triangles.T, strict=True):
            hopeful = distance - reach < best[left]
            where = left[hopeful]
            on_triangle = nearest_on_triangles(points[where], corners[triangle[hopeful]])
            length = np.linalg.norm(points[where] - on_triangle, axis=-1)
            closer = length < best[where]
            best[where[closer]], nearest[where[closer]] = length[closer], on_triangle[closer]
        left = left[apart[:, -1] - reach < best[left]]
        tried, count = count, 2 * count


def _crosses(vertices: Array, faces: Ints) -> Array:
    """Cross products (F, 3) of two sides of each triangle: along its normal, twice its area long."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a))
