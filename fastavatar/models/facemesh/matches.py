"""The same skin found in two photos: small patches of the fitted surface, compared across views.

The surface as fitted so far takes pose and perspective out of both pictures; what is left is how far the fit
is wrong, a few millimetres to look for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.core import Camera
from fastavatar.geometry.arrays import Array, Ints
from fastavatar.geometry.sampling import farthest_points
from fastavatar.geometry.triangles import vertex_normals
from fastavatar.models.facemesh.patches import correlations, gray, patches, peaks, tangents
from fastavatar.models.facemesh.sighting import Sighting, isotropic
from fastavatar.models.facemesh.surface import SurfacePoints, surface_points
from fastavatar.models.facemesh.template import TORSO, load_template
from fastavatar.models.facemesh.view import View
from fastavatar.surfaces.seen import colors_in_view

_TRIED = 2500
_FEW = 5  # matches between two views that cannot be checked against one another
_LEAST_FACING = 0.3
_LEAST_ALIKE = 0.7
_NOISE_M = 0.0005
_SAMPLES = 8  # that count as independent in a patch
_NEIGHBOURS = 8
_AGREEMENT_M = 0.003
_LEAST_EPIPOLAR_M = 0.0004


@dataclass(frozen=True)
class Search:
    """How finely and how far to look."""

    step_m: float
    """Distance of a patch's samples on the surface."""
    half: int
    """Samples from a patch's middle to its rim."""
    reach: int
    """Steps to look in each direction."""


def match_views(
    vertices: Array, deformations: Array, views: Sequence[View], search: Search
) -> list[Sighting]:
    """What each two views show of the same skin of a head (V, 3), as sightings in both.

    `deformations` (V, M) tell how vertices move with the head's coefficients.
    """
    points, tried = surface_points(), _tried()
    normals = points.at(vertex_normals(vertices, load_template().faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
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
    """Indices of the surface points that are looked for: spread over head and neck, as dense everywhere."""
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
    """(K, 2) where a camera sees places (K, 3), in camera axes at depth 1."""
    pose = camera.world_to_camera.numpy()
    placed = places @ pose[:3, :3].T + pose[:3, 3]
    return np.asarray(placed[:, :2] / placed[:, 2:])


def _trust(here: Array, there: Array, a: Camera, b: Camera) -> Array:
    """(K,) in 0…1: how far a match agrees with those around it and with where the cameras stand."""
    offset = there - here
    around = cKDTree(here).query(here, min(_NEIGHBOURS + 1, len(here)))[1]
    alone = np.linalg.norm(offset - np.median(offset[around], 1), axis=1)
    apart = _epipolar_distance(here, there, a, b)
    usual = max(1.5 * float(np.median(apart)), _LEAST_EPIPOLAR_M)
    return np.asarray(1 / (1 + (alone / _AGREEMENT_M) ** 2) / (1 + (apart / usual) ** 2))


def _epipolar_distance(here: Array, there: Array, a: Camera, b: Camera) -> Array:
    """(K,) metres by which the rays from camera `a` to `here` and from `b` to `there` miss each other."""
    center_a, center_b = a.center.numpy(), b.center.numpy()
    across = np.cross(here - center_a, there - center_b)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    return np.asarray(np.abs(across @ (center_b - center_a)))


def _whitening(axes: Array, alike: Array, bend: Array, camera: Camera) -> Array:
    """(K, 2, 2) whitening in the picture's plane of matches with curvatures (K, 2, 2) along axes (K, 2, 3).

    Along an edge a patch looks the same everywhere: there a match says little.
    """
    curvature, directions = np.linalg.eigh(bend)
    variance = _NOISE_M**2 + (1 - alike)[:, None] / np.maximum(curvature, 1e-3) / _SAMPLES
    rotation = camera.world_to_camera[:2, :3].numpy()
    on_surface = np.linalg.pinv(np.einsum("ij,nkj->nik", rotation, axes))
    return np.asarray(np.einsum("nji,njk->nik", directions, on_surface) / np.sqrt(variance)[:, :, None])
