"""Colours of a surface from views: per texel or per vertex, blended, completed where no view looks."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints, edge_graph, vertex_normals
from fastavatar.meshing import DepthViews, padded, rasterise_layout
from fastavatar.rendering import Floats, Longs, fetch_add, kernel, run_on_threads, thread_count
from fastavatar.surfaces import complete_colors

SHARPNESS = 8
"""Power of the cosine between normal and direction of view that weighs a view. A lower one blurs, since views
do not agree to the pixel; a higher one shows where one view ends."""
LEAST_FACING = 0.15
"""Cosine below which a view does not count: its pixels smear over the surface."""
HIDDEN_M = 0.02
"""Depth behind what a view sees, as a share of the depth, from which on a point is hidden: 2 cm at 1 m. In
front half as much, where the mesh is smoother than the splats."""
FAINT = 1e-4
"""Weight of the completed colour beside those of views: it only counts where they hardly see the surface."""
RIM_PX = 1.5
"""Texels beyond the edge of a chart that bilinear filters read."""
CHUNK = 4096
"""Points that a thread takes at a time."""


class _Pictures(NamedTuple):
    """V views of one size as kernels take them."""

    rgb: NDArray[np.uint8]
    """(V, H, W, 3)"""
    depths: Floats
    """(V, H, W)"""
    poses: Array
    """(V, 3, 4) head frame to camera."""
    lenses: Array
    """(V, 4) focal lengths and principal point in pixels."""
    centers: Array
    """(V, 3) where the cameras are, metres."""


def colored(mesh: Mesh, views: DepthViews) -> Mesh:
    """The mesh with the colours (V, 3) of its vertices that the views show."""
    vertices, faces, normals = _arrays(mesh)
    colors = _completed(vertices, faces, normals, _pictures(views))
    return replace(mesh, colors=torch.from_numpy(colors).float())


def textured(mesh: Mesh, views: DepthViews, size_px: int) -> Mesh:
    """The mesh, which has coordinates in `uv`, with a texture (size_px, size_px, 3) from the views."""
    vertices, faces, normals = _arrays(mesh)
    if mesh.uv is None:
        raise InputError("a mesh needs texture coordinates to get a texture")
    uv, uv_faces = mesh.uv.double().numpy(), (mesh.faces if mesh.uv_faces is None else mesh.uv_faces).numpy()
    pictures = _pictures(views)
    at_vertices = _completed(vertices, faces, normals, pictures)
    layout = rasterise_layout(uv, uv_faces, size_px, RIM_PX)
    used = layout.used
    corners, weights = faces[layout.face[used]], layout.weights[used]

    def at(values: Array) -> Floats:
        """Values (N, C) of the used texels from values (V, C) at the vertices."""
        return np.asarray(np.einsum("nk,nkc->nc", weights, values.astype(np.float32)[corners]))

    seen, total = _seen(at(vertices), at(normals), pictures)
    total = total[:, None]
    colors = np.zeros((size_px, size_px, 3), np.float32)
    colors[used] = (seen + FAINT * at(at_vertices)) / (total + FAINT)
    filled = padded(torch.from_numpy(colors), torch.from_numpy(used))
    return replace(mesh, texture=(filled.clamp(0, 1) * 255).round().byte())


def seen_colors(points: Array, normals: Array, views: DepthViews) -> tuple[Floats, Floats]:
    """Sums (N, 3) of the colours, 0…1, that views show of points (N, 3), and of their weights (N,).

    A view counts by the cosine between it and the point's unit normal (N, 3), to the power of `SHARPNESS`.
    """
    return _seen(points.astype(np.float32), normals.astype(np.float32), _pictures(views))


def _completed(vertices: Array, faces: Ints, normals: Array, pictures: _Pictures) -> Array:
    """(V, 3) colours of the vertices: those that no view sees continue what is around them smoothly."""
    sums, total = _seen(vertices.astype(np.float32), normals.astype(np.float32), pictures)
    seen = total > FAINT
    colors = sums / np.maximum(total, FAINT)[:, None]
    links, itself = edge_graph(faces, len(vertices)), np.arange(len(vertices))
    return complete_colors(colors.astype(np.float64).clip(0, 1), seen, links, itself)


def _seen(points: Floats, normals: Floats, pictures: _Pictures) -> tuple[Floats, Floats]:
    """Sums (N, 3) of the colours that views show of points (N, 3) with normals, and of their weights (N,)."""
    sums, total = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)
    counter = np.zeros(1, np.int64)
    run_on_threads(lambda: _look(counter, points, normals, pictures, sums, total), thread_count())
    return sums, total


def _pictures(views: DepthViews) -> _Pictures:
    centers = np.stack([camera.center.double().cpu().numpy() for camera in views.cameras])
    return _Pictures(views.rgb, views.depth, views.poses(), views.lenses(), centers)


def _arrays(mesh: Mesh) -> tuple[Array, Ints, Array]:
    vertices, faces = mesh.vertices.detach().double().cpu().numpy(), mesh.faces.cpu().numpy()
    return vertices, faces, vertex_normals(vertices, faces)


@kernel
def _look(
    counter: Longs, points: Floats, normals: Floats, pictures: _Pictures, sums: Floats, total: Floats
) -> None:
    """Points are taken from `counter` (1,) in chunks; each looks through all views in order."""
    height, width = pictures.depths.shape[1:]
    while True:
        first = fetch_add(counter) * CHUNK
        if first >= len(points):
            break
        for point in range(first, min(first + CHUNK, len(points))):
            x, y, z = points[point, 0], points[point, 1], points[point, 2]
            for view in range(len(pictures.poses)):
                center, pose, lens = pictures.centers[view], pictures.poses[view], pictures.lenses[view]
                dx, dy, dz = center[0] - x, center[1] - y, center[2] - z
                along = dx * normals[point, 0] + dy * normals[point, 1] + dz * normals[point, 2]
                if along <= 0:
                    continue
                facing = along / np.sqrt(dx * dx + dy * dy + dz * dz)
                if facing < LEAST_FACING:
                    continue
                depth = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2] * z + pose[2, 3]
                px = (
                    (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2] * z + pose[0, 3]) / depth * lens[0]
                    + lens[2]
                    - 0.5
                )
                py = (
                    (pose[1, 0] * x + pose[1, 1] * y + pose[1, 2] * z + pose[1, 3]) / depth * lens[1]
                    + lens[3]
                    - 0.5
                )
                column, row = int(np.floor(px)), int(np.floor(py))
                if not (0 <= column < width - 1 and 0 <= row < height - 1):
                    continue
                visible = True
                for i in range(2):
                    for j in range(2):
                        there = pictures.depths[view, row + i, column + j]
                        away = depth - there
                        # An unknown pixel has depth 0, a clear one an infinite depth
                        if not -0.5 * HIDDEN_M * depth < away < HIDDEN_M * depth:
                            visible = False
                if not visible:
                    continue
                right, below = np.float32(px - column), np.float32(py - row)
                weight = np.float32(facing**SHARPNESS / 255)
                total[point] += np.float32(255) * weight
                rgb = pictures.rgb[view]
                for k in range(3):
                    upper = rgb[row, column, k] * (1 - right) + rgb[row, column + 1, k] * right
                    lower = rgb[row + 1, column, k] * (1 - right) + rgb[row + 1, column + 1, k] * right
                    sums[point, k] += weight * (upper * (1 - below) + lower * below)
