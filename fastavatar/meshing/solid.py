"""Gaussians to one closed surface: views from all round, fused, cut out, smoothed and simplified."""

from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.sparse.csgraph import connected_components

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints, edge_graph, unit_vectors
from fastavatar.meshing import UNKNOWN, DepthViews, DistanceVolume, Grid, fuse, grid_about
from fastavatar.rendering import Floats

VOXELS = 256
"""Along the longest side: 1.5 mm for a bust of 0.4 m."""
BLUR_VOXELS = 1.0
"""Standard deviation of the blur of the distances. Without it the bust has 66 handles of a voxel's size, with
it none, and its triangles can be collapsed without opening it."""
LEAST_GAUSSIANS = 16
"""Fewer are no surface."""
LEAST_OPACITY = 0.1
STRAY_SHARE = 0.0005
"""Share of the centres along each axis, at either end, that the volume leaves out; chosen by eye."""
BACKWARD = 0.2
"""Fall of the distance over three voxels toward a camera, in truncations, that tells a surface's back
side."""
NO_SURFACE = "the Gaussians show no solid surface: they are too transparent, or too few"
LEAST_PIECE = 0.75
"""Share of all volume that the largest piece must have; floaters of captures are a few thousandths."""


def solid_of(gaussians: Gaussians, views: DepthViews, sides: int) -> tuple[Array, Ints]:
    """Vertices (V, 3), metres, and triangles (F, 3) of the closed surface that the views show.

    The first `sides` views look from the sides and above, the others from below. Raises `InputError` where
    they show no surface, or several.
    """
    volume = DistanceVolume.empty(_grid(gaussians))
    fuse(volume, views[:sides])
    fuse(volume, _front_sides(views[sides:], volume.distances(), volume.grid))
    return _largest_piece(*_surface(volume.distances(), volume.grid))


def _grid(gaussians: Gaussians) -> Grid:
    """The grid about all but stray centres."""
    means = gaussians.means[gaussians.opacities > LEAST_OPACITY].double().cpu().numpy()
    if len(means) < LEAST_GAUSSIANS:
        raise InputError(f"a surface needs at least {LEAST_GAUSSIANS} opaque Gaussians, found {len(means)}")
    low, high = np.quantile(means, [STRAY_SHARE, 1 - STRAY_SHARE], axis=0)
    return grid_about(low, high, VOXELS)


def _front_sides(views: DepthViews, distances: Floats, grid: Grid) -> DepthViews:
    """The views without what they see from behind: from below a bust may be open, and its inside visible.

    The normal of a surface seen from outside points the way in which `distances` (X, Y, Z), fused from the
    sides and above, grow there. Where they do not change, as within a solid, the view is right.
    """
    depths = views.depth.copy()
    for depth, camera in zip(depths, views.cameras, strict=True):
        rows, columns = np.nonzero((depth != UNKNOWN) & np.isfinite(depth))
        pixels = torch.from_numpy(np.stack([columns, rows], 1) + 0.5)
        precise = camera.to("cpu", torch.float64)
        surface = precise.unproject(pixels, torch.from_numpy(depth[rows, columns]).double()).numpy()
        places = (surface - grid.origin) / grid.voxel_m
        toward = unit_vectors(precise.center.numpy() - surface)
        # Toward the camera, distances grow before a front side and fall before a back side
        before, after = (
            map_coordinates(distances, (places + offset * toward).T, order=1, cval=1.0)
            for offset in (-1.5, 1.5)
        )
        behind = after < before - BACKWARD
        depth[rows[behind], columns[behind]] = UNKNOWN
    return replace(views, depth=depths)


def _surface(distances: Floats, grid: Grid) -> tuple[Array, Ints]:
    """The surface where the distances (X, Y, Z) change sign; closed, as all beyond the grid is outside."""
    from skimage import measure

    padded = np.pad(gaussian_filter(distances, BLUR_VOXELS, truncate=2.5), 1, constant_values=1.0)
    if not (padded < 0).any():
        raise InputError(NO_SURFACE)
    # No value is exactly 0, so that no triangle shrinks to a point
    padded[padded == 0] = 1e-6
    cut = measure.marching_cubes(padded, 0.0, allow_degenerate=False)  # type: ignore[no-untyped-call]
    vertices, faces = cut[:2]
    return grid.origin + (vertices.astype(np.float64) - 1) * grid.voxel_m, faces.astype(np.int64)


def _largest_piece(vertices: Array, faces: Ints) -> tuple[Array, Ints]:
    """The piece of the most volume, without cavities inside it; raises `InputError` for several such."""
    piece_of = connected_components(edge_graph(faces, len(vertices)), directed=False)[1][faces[:, 0]]
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    # Six times the volume of the tetrahedra between the origin and each triangle; cavities are negative
    volumes = np.bincount(piece_of, (a * np.cross(b, c)).sum(1))
    solid = np.maximum(volumes, 0)
    largest = int(solid.argmax())
    if not solid[largest] > 0:
        raise InputError(NO_SURFACE)
    if solid[largest] < LEAST_PIECE * solid.sum():
        pieces = int((solid > (1 - LEAST_PIECE) * solid[largest]).sum())
        raise InputError(
            f"the Gaussians show {pieces} pieces of like size: cut out the one to make a mesh of"
        )
    used, index = np.unique(faces[piece_of == largest], return_inverse=True)
    return vertices[used], index.reshape(-1, 3).astype(np.int64)
