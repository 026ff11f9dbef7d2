"""Fits the head's outline to the person masks of the photos: hair, neck, shoulders.

Where the surface turns away from a camera, its distance from the edge of that photo's mask is measured. The
distances, spread smoothly over the surface, move every vertex along its normal, so that hair gains as much
volume behind and on top as it has at the sides. Of the face, only what is before backdrop moves.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from scipy.sparse import csc_matrix, diags
from scipy.sparse.linalg import SuperLU, splu

from fastavatar.core import Camera
from fastavatar.geometry import (
    Array,
    Bools,
    Ints,
    cotangent_laplacian,
    triangle_areas,
    unit_vectors,
    vertex_normals,
)
from fastavatar.images import HAIR, SKIN
from fastavatar.models.facemesh import (
    EAR,
    EYE,
    FACE,
    JAW,
    NECK,
    SKULL,
    TORSO,
    HeadTemplate,
    HeadView,
    load_template,
)
from fastavatar.rendering import rasterise_mesh

# The outline changes as the surface moves, so it is measured again each round; a fifth changed nothing
_ROUNDS, _TRIMS = 4, 4
_BIG_M, _LEAST_DIRECTIONS, _FEWEST, _HAIRLINE_M = 0.12, 0.3, 20, 0.015
"""Reach of the search for big hair, the share of directions in which it may be less, how many it takes, and
the length over which it rises from the hairline."""
_FITTED, _TRIMMED = (SKULL, JAW, NECK, TORSO), (SKULL, JAW, NECK, TORSO, FACE)
"""Regions that the outline moves, and those of which the end trims what is before backdrop."""
_TRIM_REACH_M, _MOST_TRIMMED_M = 0.012, 0.012
_HELD, _SQUARE = 0.5, 0.6
"""Weight, beside 1 of the outline, that holds what is seen more squarely than by this cosine."""
_REACH_M = 0.04  # of the search for the mask's edge, to either side
# Limits of the movement inward and outward, all rounds together: hair is thick, shoulders are much alike
_HEAD_RANGE_M = (-0.02, 0.09)
_BODY_RANGE_M = (-0.04, 0.04)
_RAY_STEP_M = 0.001
_RIM_FACING = 0.25  # cosine between normal and view below which a vertex may be on the outline
_MOST_DOWNWARD = 0.5  # normals that point down more than this belong to the cut below, not to the outline
_BESIDE_M = 0.015  # a vertex on the outline has nothing of the head this far beside it
_SILHOUETTE_M = 0.003  # a pixel of the drawn silhouette
# How far each diffusion of the offsets over the surface reaches, metres, and its weight: near the outline the
# short one decides
_DIFFUSIONS = ((0.023, 1.0), (0.052, 0.1))
_BODY_REACH_M = 0.042
# Weight of distances inward: before backdrop there is nothing, beyond the outline there may be hair or cloth
_INWARD = 2.0
_DIFFUSION_STEPS = 3


def fit_outline(template: HeadTemplate, vertices: Array, views: Sequence[HeadView], torso: Array) -> Array:
    """Vertices (V, 3), head frame, moved so that their outline in each view follows its person mask.

    `torso` (3, 3) has the torso's left, up and front axes as columns. The body moves sideways and up only:
    broad shoulders do not imply a deep chest.
    """
    body = np.isin(template.region, (NECK, TORSO))
    least, most = np.where(body[:, None], _BODY_RANGE_M, _HEAD_RANGE_M).T
    offset_m = _of_big_hair(template, vertices, views)
    vertices = vertices + offset_m[:, None] * vertex_normals(vertices, template.skin)
    for _ in range(_ROUNDS):
        normals = vertex_normals(vertices, template.skin)
        rims = [_rim_distances(vertices, normals, view, _FITTED) for view in views]
        rim, distance_m = (np.concatenate(parts) for parts in zip(*rims, strict=True))
        wanted_m = _calmed(np.clip(offset_m + _spread(rim, distance_m), least, most), body)
        vertices = vertices + (wanted_m - offset_m)[:, None] * _directions(normals, body, torso)
        offset_m = wanted_m
    for _ in range(_TRIMS):
        vertices = _trimmed(template, vertices, views, torso)
    return vertices


def _of_big_hair(template: HeadTemplate, vertices: Array, views: Sequence[HeadView]) -> Array:
    """Offsets (V,) of a skull under hair that stands off all around it, farther than the rounds look.

    What it stands off by in most of the directions seen, it does so behind and on top. Buns and hats do not.
    """
    normals, skull = vertex_normals(vertices, template.skin), template.region == SKULL
    # Of hats and hoods nothing counts
    bare = [view.without(view.parts.shares[..., [HAIR, SKIN]].sum(2) <= 0.5) for view in views]
    seen_m = np.concatenate([_rim_distances(vertices, normals, view, [SKULL], _BIG_M)[1] for view in bare])
    thick_m = float(np.quantile(seen_m, _LEAST_DIRECTIONS)) if len(seen_m) >= _FEWEST else 0.0
    # Less than that the rounds find by themselves, direction by direction
    if thick_m < _REACH_M:
        return np.zeros(len(vertices))
    rounded = _diffused(skull[:, None].astype(np.float64), _HAIRLINE_M)[:, 0]
    return np.asarray(np.clip(thick_m * rounded * skull, *_HEAD_RANGE_M))


def _trimmed(template: HeadTemplate, vertices: Array, views: Sequence[HeadView], torso: Array) -> Array:
    """Vertices (V, 3) with what is still before backdrop moved inward, and little but the outline with it.

    Points there would go inside one by one, and leave cracks under the chin. What is missing inside the mask
    is not made up here: the pixels themselves cover it.
    """
    normals = vertex_normals(vertices, template.skin)
    known = np.zeros((len(vertices), 2))
    for view in views:
        rim, distance_m = _rim_distances(vertices, normals, view, _TRIMMED)
        np.add.at(known, rim, np.stack([np.ones(len(rim)), np.minimum(distance_m, 0)], 1))
        # What is not seen edge-on stays
        facing = (normals * unit_vectors(view.camera.center.numpy() - vertices)).sum(1)
        known[:, 0] += _HELD * ((np.abs(facing) > _SQUARE) | np.isin(template.region, (EAR, EYE)))
    total = _diffused(known, _TRIM_REACH_M)
    offset_m = np.clip(total[:, 1] / (total[:, 0] + 1e-12), -_MOST_TRIMMED_M, 0)
    body = np.isin(template.region, (NECK, TORSO))
    return vertices + offset_m[:, None] * _directions(normals, body, torso)


def _directions(normals: Array, body: Bools, torso: Array) -> Array:
    """(V, 3) along which vertices move: their normals (V, 3), those of the body (V,) sideways and up only."""
    return np.where(body[:, None], normals - (normals @ torso[:, 2:]) * torso[:, 2], normals)


def _rim_distances(
    vertices: Array, normals: Array, view: HeadView, regions: Sequence[int], reach_m: float = _REACH_M
) -> tuple[Ints, Array]:
    """Vertices (M,) of `regions` on the outline, and the metres (M,) each should move along its normal."""
    camera, mask = view.camera, view.mask
    pixels, depth = (values.numpy() for values in camera.project(torch.from_numpy(vertices)))
    metres_per_px = depth / float(camera.K[0, 0])
    ray = camera.center.numpy() - vertices
    facing = (normals * ray).sum(1) / np.linalg.norm(ray, axis=1)
    across = unit_vectors((normals @ camera.world_to_camera[:3, :3].numpy().T)[:, :2])

    # On the outline: almost edge-on, and just outside of it nothing else of the head
    beside = pixels + (_BESIDE_M / metres_per_px)[:, None] * across
    template = load_template()
    movable = np.isin(template.region, regions) & (across[:, 1] < _MOST_DOWNWARD)
    rim = np.flatnonzero(movable & (np.abs(facing) < _RIM_FACING))
    rim = rim[~_covered(beside[rim], vertices, camera, _SILHOUETTE_M / metres_per_px.mean())]

    # Along each rim normal, from inside to outside, the nearest place where the mask ends
    steps = np.arange(-reach_m, reach_m + _RAY_STEP_M / 2, _RAY_STEP_M)
    at = pixels[rim, None] + (steps / metres_per_px[rim, None])[..., None] * across[rim, None]
    height, width = mask.shape
    inside = map_coordinates(mask, [at[..., 1] - 0.5, at[..., 0] - 0.5], order=1, cval=0.0) > 0.5
    in_picture = np.all((at > 1) & (at < [width - 1, height - 1]), 2)
    leaves = inside[:, :-1] & ~inside[:, 1:] & in_picture[:, :-1] & in_picture[:, 1:]
    middle = (steps[:-1] + steps[1:]) / 2
    nearest = np.where(leaves, np.abs(middle), np.inf).argmin(1)
    known = leaves.any(1)
    return rim[known], middle[nearest[known]]


def _covered(pixels: Array, vertices: Array, camera: Camera, cell_px: float) -> Bools:
    """Which pixels (N, 2) of a camera's picture, or beside it, the head (V, 3) covers; by cells."""
    margin = round(2 * _BESIDE_M / _SILHOUETTE_M)  # the head may end beyond the picture
    small = camera.resized(max(1, round(camera.width / cell_px)), max(1, round(camera.height / cell_px)))
    K = small.K.clone()
    K[:2, 2] += margin
    wide = Camera(K, small.world_to_camera, small.width + 2 * margin, small.height + 2 * margin)
    # A silhouette by triangles: vertices are too far apart to draw one
    drawn = rasterise_mesh(vertices, load_template().faces, wide).hit
    scale = np.array([small.width / camera.width, small.height / camera.height])
    at = np.floor(pixels * scale + margin).astype(np.int64)
    inside = ((at >= 0) & (at < [wide.width, wide.height])).all(1)
    at = np.clip(at, 0, [wide.width - 1, wide.height - 1])
    return np.asarray(inside & drawn[at[:, 1], at[:, 0]])


def _spread(rim: Ints, distance_m: Array) -> Array:
    """Offsets (V,) near `distance_m` (M,) at the vertices `rim`, near 0 on the face, smooth in between.

    Each vertex takes the mean of the known offsets around it, weighted by diffusion over the surface. The
    shortest diffusion that reaches a vertex counts most.
    """
    region = load_template().region
    known = np.zeros((len(region), 2))  # weight, and weight times offset
    # Ears do not swell with the hair over them
    known[np.isin(region, (FACE, EAR)), 0] = 1
    # Several views may know the same vertex
    weight = np.where(distance_m < 0, _INWARD, 1.0)
    np.add.at(known, rim, np.stack([weight, weight * distance_m], 1))
    # Normalised convolution: diffuse weight · offset and weight, then divide
    total = np.sum([share * _diffused(known, reach_m) for reach_m, share in _DIFFUSIONS], axis=0)
    return np.asarray(total[:, 1] / (total[:, 0] + 1e-12))


def _calmed(offset_m: Array, body: Bools) -> Array:
    """The offsets (V,) with those of the body (V,) smoothed, as masks often show something else there."""
    return np.where(body, _diffused(offset_m[:, None], _BODY_REACH_M)[:, 0], offset_m)


def _diffused(values: Array, reach_m: float) -> Array:
    """Values (V, C) after diffusion over the skin by a standard deviation of `reach_m`, metres.

    Implicit steps of the heat equation, (M + t L) u' = M u, are stable at any length.
    """
    mass, system = _heat(reach_m)
    for _ in range(_DIFFUSION_STEPS):
        values = system.solve(mass[:, None] * values)
    return values


@cache
def _heat(reach_m: float) -> tuple[Array, SuperLU]:
    """Areas (V,) of the vertices of the template's skin, and the factors of one step's matrix."""
    template = load_template()
    size = len(template.vertices)
    areas = triangle_areas(template.vertices, template.skin)
    mass: Array = np.bincount(template.skin.ravel(), np.repeat(areas / 3, 3), size).astype(np.float64) + 1e-9
    step = reach_m**2 / 2 / _DIFFUSION_STEPS
    return mass, splu(csc_matrix(diags(mass) + step * cotangent_laplacian(template.vertices, template.skin)))
