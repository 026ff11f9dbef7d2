"""Correspondences between photos: small patches of the fitted surface, compared across views.

Sampling both pictures over the current surface removes pose and perspective from them. What remains is the
error of the fit, so that a search over a few millimetres finds the same skin again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from fastavatar.core import Camera
from fastavatar.geometry import Array, Ints, farthest_points, unit_vectors, vertex_normals
from fastavatar.models.facemesh import (
    TORSO,
    HeadView,
    Sighting,
    SurfacePoints,
    isotropic,
    load_template,
    surface_points,
)
from fastavatar.surfaces import colors_in_view

_LUMINANCE = np.array([0.30, 0.59, 0.11], np.float32)
_BLUR = 0.4  # standard deviation in sample steps, against aliasing


def tangents(normals: Array) -> Array:
    """(N, 2, 3) unit vectors along the surface: level with the head's y axis, and up from there."""
    level = unit_vectors(np.cross([0.0, 1.0, 0.0], normals))
    return np.stack([level, np.cross(normals, level)], 1)


def gray(view: HeadView, step_m: float) -> Array:
    """The view's luminance (H, W), low-passed for patches sampled every `step_m` metres."""
    px_per_m = float(view.camera.K[0, 0] / view.camera.world_to_camera[2, 3])
    return np.asarray(gaussian_filter(view.rgb @ _LUMINANCE, _BLUR * step_m * px_per_m), np.float64)


def patches(image: Array, view: HeadView, points: Array, axes: Array, half: int, step_m: float) -> Array:
    """(N, 2·half+1, 2·half+1) samples of a view's image (H, W) at points (N, 3), along axes (N, 2, 3)."""
    reach = np.arange(-half, half + 1) * step_m
    along, up = axes[:, 0, None, None], axes[:, 1, None, None]
    at = points[:, None, None] + reach[None, :, None, None] * along + reach[None, None, :, None] * up
    pixels = view.camera.project(torch.from_numpy(at.reshape(-1, 3)))[0].numpy()
    values = map_coordinates(image, [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5], order=1, mode="nearest")
    return np.asarray(values.reshape(at.shape[:3]))


def correlations(small: Array, large: Array) -> Array:
    """(N, S, S) normalised cross-correlation of patches (N, h, h) with each place in (N, h+S−1, h+S−1)."""
    size, places = small.shape[1], large.shape[1] - small.shape[1] + 1
    small = small - small.mean((1, 2), keepdims=True)
    product = np.empty((len(small), places, places))
    for down in range(places):
        for right in range(places):
            window = large[:, down : down + size, right : right + size]
            product[:, down, right] = np.einsum("nij,nij->n", window, small)
    # Var = E[x²] − E[x]² of every window, by summed-area tables
    variance = _box_sums(large**2, size) - _box_sums(large, size) ** 2 / size**2
    norm = np.sqrt((small**2).sum((1, 2)))[:, None, None] * np.sqrt(np.maximum(variance, 1e-8))
    return np.asarray(product / np.maximum(norm, 1e-6))


def peaks(values: Array) -> tuple[Ints, Array, Array, Array]:
    """The maxima of correlations (N, S, S) that do not lie on the rim of the search.

    Returns indices (M,) of the patches that have one, its place (M, 2) to a fraction of a step, its value
    (M,) and the negative Hessian (M, 2, 2) there, positive where the correlation falls off.
    """
    count, size, _ = values.shape
    row, column = np.divmod(values.reshape(count, -1).argmax(1), size)
    inner = np.flatnonzero((row > 0) & (row < size - 1) & (column > 0) & (column < size - 1))
    r, c = row[inner], column[inner]

    def at(down: int, right: int) -> Array:
        return np.asarray(values[inner, r + down, c + right])

    top = at(0, 0)
    # Central differences of a parabola through the maximum and its eight neighbours
    bend = np.empty((len(inner), 2, 2))
    bend[:, 0, 0] = 2 * top - at(-1, 0) - at(1, 0)
    bend[:, 1, 1] = 2 * top - at(0, -1) - at(0, 1)
    bend[:, 0, 1] = bend[:, 1, 0] = (at(1, -1) + at(-1, 1) - at(1, 1) - at(-1, -1)) / 4
    slope = np.stack([at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)], 1) / 2
    curve = np.maximum(np.stack([bend[:, 0, 0], bend[:, 1, 1]], 1), 1e-6)
    return inner, np.stack([r, c], 1) + np.clip(slope / curve, -0.5, 0.5), top, bend


def _box_sums(values: Array, size: int) -> Array:
    """Sums over every window of `size` × `size` of (N, H, W)."""
    total = np.pad(values, ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    return np.asarray(
        total[:, size:, size:] - total[:, :-size, size:] - total[:, size:, :-size] + total[:, :-size, :-size]
    )


# All chosen on both captures with three photos; none was sensitive within a factor of two
_TRIED = 2500  # surface points whose patches are compared
_FEW = 5  # fewer matches between two views cannot be checked against one another
_LEAST_FACING = 0.3  # cosine below which a patch is too foreshortened
_LEAST_ALIKE = 0.7  # correlation below which a maximum is taken for chance
_NOISE_M = 0.0005  # standard deviation of a perfect match
_SAMPLES = 8  # independent samples in a patch: its neighbouring samples are correlated
_NEIGHBOURS = 8  # matches around a match that it is compared with
_AGREEMENT_M = 0.003  # deviation from the neighbours' median that halves a match's weight
_LEAST_EPIPOLAR_M = 0.0004  # the distance of two rays is never judged more strictly than this


@dataclass(frozen=True)
class Search:
    """Resolution and reach of a search for correspondences."""

    step_m: float
    """Distance between a patch's samples on the surface, metres."""
    half: int
    """Samples from a patch's middle to its rim."""
    reach: int
    """Steps to look in each direction."""


def match_views(
    vertices: Array, deformations: Array, views: Sequence[HeadView], search: Search
) -> list[Sighting]:
    """Correspondences between every two views on the surface of a head (V, 3), as sightings in both views.

    `deformations` (V, M) are the vertices' movements per unit of the head's coefficients.
    """
    points, tried = surface_points(), _tried()
    normals = unit_vectors(points.at(vertex_normals(vertices, load_template().faces)))
    places = points.at(vertices)
    facing = []
    for view in views:
        _, cosine, sees = colors_in_view(places, normals, view.rgb, view.mask, view.camera)
        facing.append(np.where(sees, cosine, 0.0)[tried])
    best = np.argmax(facing, 0)
    places, axes = places[tried], tangents(normals[tried])
    grays = [gray(view, search.step_m) for view in views]

    sightings = []
    for a, view_a in enumerate(views):
        for b, view_b in enumerate(views):
            both = (best == a) & (facing[a] > _LEAST_FACING) & (facing[b] > _LEAST_FACING)
            index = np.flatnonzero(both)
            if a == b or not len(index):
                continue
            small = patches(grays[a], view_a, places[index], axes[index], search.half, search.step_m)
            size = search.half + search.reach
            large = patches(grays[b], view_b, places[index], axes[index], size, search.step_m)
            found, at, alike, bend = peaks(correlations(small, large))
            enough = alike > _LEAST_ALIKE
            found, at, alike, bend = found[enough], at[enough], alike[enough], bend[enough]
            if len(found) < _FEW:
                continue
            index = index[found]
            offset = np.einsum("nk,nki->ni", (at - search.reach) * search.step_m, axes[index])
            here, there = places[index], places[index] + offset
            trust = _trust(here, there, view_a.camera, view_b.camera)
            rows = _at_points(points, deformations, tried[index])
            known = _whitening(axes[index], alike, bend / search.step_m**2, view_b.camera)
            first, second = isotropic(trust / _NOISE_M), trust[:, None, None] * known
            sightings.append(Sighting(a, here, rows, _on_plane(here, view_a.camera), first))
            sightings.append(Sighting(b, here, rows, _on_plane(there, view_b.camera), second))
    return sightings


@cache
def _tried() -> Ints:
    """Indices of the surface points whose patches are compared: spread evenly over head and neck."""
    points, template = surface_points(), load_template()
    index = np.flatnonzero(points.region != TORSO)
    places = points.at(template.vertices)[index]
    order = np.argsort(index * 0.6180339887498949 % 1)[: 4 * _TRIED]  # a fair sample, thinned to even gaps
    index, places = index[order], places[order]
    return np.asarray(index[farthest_points(places, _TRIED)])


def _at_points(points: SurfacePoints, deformations: Array, index: Ints) -> Array:
    """The deformations (K, M) of the surface points `index` (K,)."""
    return np.asarray(np.einsum("nk,nkm->nm", points.weights[index], deformations[points.corners[index]]))


def _on_plane(places: Array, camera: Camera) -> Array:
    """(K, 2) positions of head-frame points (K, 3) in camera axes at depth 1."""
    pose = camera.world_to_camera.numpy()
    placed = places @ pose[:3, :3].T + pose[:3, 3]
    return np.asarray(placed[:, :2] / placed[:, 2:])


def _trust(here: Array, there: Array, a: Camera, b: Camera) -> Array:
    """(K,) weights of matches, 0…1, by agreement with the matches around them and epipolar geometry."""
    offset = there - here
    around = cKDTree(here).query(here, min(_NEIGHBOURS + 1, len(here)))[1]
    alone = np.linalg.norm(offset - np.median(offset[around], 1), axis=1)
    apart = _epipolar_distance(here, there, a, b)
    usual = max(1.5 * float(np.median(apart)), _LEAST_EPIPOLAR_M)
    return np.asarray(1 / (1 + (alone / _AGREEMENT_M) ** 2) / (1 + (apart / usual) ** 2))


def _epipolar_distance(here: Array, there: Array, a: Camera, b: Camera) -> Array:
    """(K,) distances between the rays from camera `a` to `here` and from `b` to `there`, metres."""
    center_a, center_b = a.center.numpy(), b.center.numpy()
    across = unit_vectors(np.cross(here - center_a, there - center_b))
    return np.asarray(np.abs(across @ (center_b - center_a)))


def _whitening(axes: Array, alike: Array, bend: Array, camera: Camera) -> Array:
    """(K, 2, 2) whitening, in the picture's plane, of matches with Hessians (K, 2, 2) along axes (K, 2, 3).

    The variance grows as the correlation's curvature falls: along an edge a match says little.
    """
    curvature, directions = np.linalg.eigh(bend)
    variance = _NOISE_M**2 + (1 - alike)[:, None] / np.maximum(curvature, 1e-3) / _SAMPLES
    rotation = camera.world_to_camera[:2, :3].numpy()
    on_surface = np.linalg.pinv(np.einsum("ij,nkj->nik", rotation, axes))
    return np.asarray(np.einsum("nji,njk->nik", directions, on_surface) / np.sqrt(variance)[:, :, None])
