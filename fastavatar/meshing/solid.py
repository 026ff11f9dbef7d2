"""Gaussians to one closed surface: views from all round, fused, cut out, smoothed and simplified."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from fastavatar.core import Camera, Gaussians
from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints, unit_vectors
from fastavatar.meshing import UNKNOWN, DepthViews, DistanceVolume, Grid, fuse, grid_about
from fastavatar.rendering import Floats
from fastavatar.surfaces import isosurface, volumes_of_pieces

VOXELS = 256
"""Along the longest side: 1.5 mm for a bust of 0.4 m."""
LEAST_GAUSSIANS = 16
"""Fewer are no surface."""
LEAST_OPACITY = 0.1
STRAY_SHARE = 0.0005
"""Share of the centres along each axis, at either end, that the volume leaves out; chosen by eye."""
WALL, WALL_STEP = 12.0, 2.0
"""A wall seen from inside has its outside within so many voxels, 17 mm of a bust, in such steps."""
DEEP_WITHIN = 26.0
"""Voxels before a surface from which on it is deep within a solid, 4 cm of a bust: more than a chin hides."""
AGREEING, LEAST_AGREEMENT = 0.7, 0.9
"""Distance in truncations up to which a view agrees with the fused surface, 3 mm of a bust, and the share of
pixels that must: 99 % for heads, 11 to 85 % for clouds of fog."""
SAMPLED = 16
"""One in so many pixels is asked."""
NO_SURFACE = "the Gaussians show no solid surface: they are too transparent, or too few"
LEAST_PIECE = 0.75
"""Share of all volume that the largest piece must have; floaters of captures are a few thousandths."""


def solid_of(gaussians: Gaussians, views: DepthViews, sides: int) -> tuple[Floats, Grid]:
    """Distances (X, Y, Z) from the surface that the views show, in truncations, negative inside; their grid.

    The first `sides` views look from the sides and above, the others from below. Raises `InputError` where
    they show no surface.
    """
    volume = DistanceVolume.empty(_grid(gaussians))
    fuse(volume, views[:sides])
    below = _front_sides(views[sides:], volume.distances(), volume.grid)
    fuse(volume, below)
    distances = volume.distances()
    _require_agreement((views[:sides], below), distances, volume.grid)
    return distances, volume.grid


def surface_of_solid(distances: Floats, grid: Grid, blur_voxels: float) -> tuple[Array, Ints]:
    """Vertices (V, 3), metres, and triangles (F, 3) of the surface where distances (X, Y, Z) change sign.

    It is closed. The distances are blurred by a Gaussian of that standard deviation first. Raises
    `InputError` for no surface, and for several pieces of like size.
    """
    blurred = gaussian_filter(distances, blur_voxels, truncate=2.5)
    return _largest_piece(*isosurface(blurred, grid.origin, grid.voxel_m))


def _grid(gaussians: Gaussians) -> Grid:
    """The grid about all but stray centres."""
    means = gaussians.means[gaussians.opacities > LEAST_OPACITY].double().cpu().numpy()
    if len(means) < LEAST_GAUSSIANS:
        raise InputError(f"a surface needs at least {LEAST_GAUSSIANS} opaque Gaussians, found {len(means)}")
    low, high = np.quantile(means, [STRAY_SHARE, 1 - STRAY_SHARE], axis=0)
    return grid_about(low, high, VOXELS)


def _front_sides(views: DepthViews, distances: Floats, grid: Grid) -> DepthViews:
    """The views without what they see from behind: from below a bust may be open, and its inside visible.

    There the volume fused from the sides and above, `distances` (X, Y, Z), is solid before the surface, as no
    view looked, and either far from clear or clear again soon behind the surface. Before a surface that is
    seen from outside it is clear, or not far from it, as under a chin.
    """
    depths = views.depth.copy()
    for depth, camera in zip(depths, views.cameras, strict=True):
        rows, columns = _known(depth)
        surface, toward = _points(depth, camera, rows, columns)

        def at(voxels: float, surface: Array = surface, toward: Array = toward) -> Array:
            return _sampled(distances, grid, surface + voxels * grid.voxel_m * toward)

        solid_before = at(WALL_STEP) < 0
        far_from_clear = np.all(
            [at(step) < 0 for step in np.arange(WALL_STEP, DEEP_WITHIN, 2 * WALL_STEP)], 0
        )
        clear_behind = np.any([at(-step) > 0 for step in np.arange(WALL_STEP, WALL + 1, WALL_STEP)], 0)
        behind = solid_before & (clear_behind | far_from_clear)
        depth[rows[behind], columns[behind]] = UNKNOWN
    return replace(views, depth=depths)


def _require_agreement(groups: Sequence[DepthViews], distances: Floats, grid: Grid) -> None:
    """Raise `InputError` where the views see different surfaces, as in fog: none is where the others say."""
    apart = []
    for views in groups:
        for depth, camera in zip(views.depth, views.cameras, strict=True):
            rows, columns = (index[::SAMPLED] for index in _known(depth))
            apart.append(np.abs(_sampled(distances, grid, _points(depth, camera, rows, columns)[0])))
    agreeing = np.concatenate(apart) < AGREEING
    if not len(agreeing) or agreeing.mean() < LEAST_AGREEMENT:
        raise InputError(NO_SURFACE)


def _known(depth: Floats) -> tuple[Ints, Ints]:
    """Rows and columns (N,) of the pixels that show a surface."""
    rows, columns = np.nonzero((depth != UNKNOWN) & np.isfinite(depth))
    return rows, columns


def _points(depth: Floats, camera: Camera, rows: Ints, columns: Ints) -> tuple[Array, Array]:
    """Points (N, 3) of the surface in these pixels, metres, and unit vectors (N, 3) toward the camera."""
    precise = camera.to("cpu", torch.float64)
    pixels = torch.from_numpy(np.stack([columns, rows], 1) + 0.5)
    points = precise.unproject(pixels, torch.from_numpy(depth[rows, columns]).double()).numpy()
    return points, unit_vectors(precise.center.numpy() - points)


def _sampled(distances: Floats, grid: Grid, points: Array) -> Array:
    """Distances (N,) at points (N, 3), in truncations, of the nearest voxel; 1 beyond the grid."""
    places = (points - grid.origin) / grid.voxel_m
    return np.asarray(map_coordinates(distances, places.T, order=0, cval=1.0))


def _largest_piece(vertices: Array, faces: Ints) -> tuple[Array, Ints]:
    """The piece of the most volume, without cavities inside it; raises `InputError` for several such."""
    if not len(faces):
        raise InputError(NO_SURFACE)
    volumes, piece_of = volumes_of_pieces(vertices, faces)
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
