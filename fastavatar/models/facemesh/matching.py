"""The same skin in two photos: both are drawn as one of their cameras sees the fitted head, and compared.

What is left between the two pictures is the error of the fit, a few millimetres, which optical flow finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools, Ints, unit_vectors, vertex_normals
from fastavatar.head import Ties, load_head
from fastavatar.models.facemesh import NECK, TORSO, HeadView, load_template
from fastavatar.rendering import rasterise_mesh
from fastavatar.surfaces import colors_in_view

_NEIGHBOURS = 2
"""Photos are compared with so many that show the head from a little more to the left, or to the right."""
_STEP_M = 0.001
"""Size of a pixel of the compared pictures: finer detail of skin comes and goes with the light."""
_LEAST_FACING = 0.3
"""Cosine below which skin is too foreshortened."""
_WINDOW_PX = 5.0
"""Standard deviation of the window in which pictures are compared; light is evened out over twice as much."""
_LEAST_CONTRAST = 0.01
"""Contrast below which skin is plain: noise is not made larger than this."""
_LEAST_ALIKE = 0.75
"""Normalised cross-correlation below which two places are not the same."""
_FLOW_RADIUS_PX, _FLOW_STEPS = 5, 5
"""Half width of the window in which flow is even: with 7 and 10 errors of poses shrink more slowly."""
_MOST_FLOW_PX = 15.0
_APART_PX = 8
"""Distance of ties, about that of windows which do not overlap."""
_PERFECT_PX = 0.5
"""Standard deviation of the best of ties."""
_INDEPENDENT = 5.0
"""Pixels of a window that are independent of one another: light on skin is alike over many."""
_FEWEST = 12
"""Fewer ties may be chance."""
_LUMINANCE = np.array([0.30, 0.59, 0.11], np.float32)

Picture = NDArray[np.float32]


@dataclass(frozen=True)
class _Overlap:
    """The skin that two views show, as the first one's camera sees it, in pixels of `_STEP_M`."""

    where: Bools
    """(H, W) which pixels both views show."""
    pictures: tuple[Picture, Picture]
    """(H, W) luminance in either view with even light, 0 elsewhere."""
    pixels: tuple[Array, Array]
    """(H, W, 2) places in either photo."""
    corners: Ints
    """(H, W, 3) vertices of the triangle there."""
    weights: Array
    """(H, W, 3) barycentric weights in it."""


def ties_between(shapes: Sequence[Array], views: Sequence[HeadView], cameras: Sequence[Camera]) -> list[Ties]:
    """Ties between views from neighbouring sides, of heads in shapes (V, 3), head frame.

    Each of two views is compared as the other's camera sees it. Their pixels are those of the photos that
    `cameras` saw, of which the views are parts. Views that have too little skin in common have none.
    """
    # From the person's one side to the other
    order = np.argsort([view.camera.azimuth_elevation_deg[0] for view in views], kind="stable").tolist()
    found = []
    for rank, first in enumerate(order):
        beside = order[max(0, rank - _NEIGHBOURS) : rank] + order[rank + 1 : rank + 1 + _NEIGHBOURS]
        for second in beside:
            overlap = _overlap(*([things[first], things[second]] for things in (shapes, views, cameras)))
            if overlap is not None and (ties := _ties(overlap, (first, second))) is not None:
                found.append(ties)
    return found


def _overlap(
    shapes: Sequence[Array], views: Sequence[HeadView], cameras: Sequence[Camera]
) -> _Overlap | None:
    """The skin of the head, without neck and torso, that two views show; None where it is too little."""
    template = load_template()
    # Neck and clothes bend when a head turns: they would tie cameras to something else
    faces = template.skin[~np.isin(template.region[template.skin], (NECK, TORSO)).any(1)]
    size = min(1.0, views[0].metres_per_px / _STEP_M)
    width, height = views[0].camera.width, views[0].camera.height
    seen = rasterise_mesh(
        shapes[0], faces, views[0].camera.resized(round(width * size), round(height * size))
    )
    if not seen.hit.any():
        return None
    # The pictures are cut to the head, as filters cost by the pixel
    rows, columns = (np.flatnonzero(seen.hit.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    at = seen.hit[box].nonzero()
    corners, weights = faces[seen.face[box][at]], seen.weights[box][at]
    where = np.zeros(seen.hit[box].shape, bool)
    where[at] = True

    def on_grid(values: NDArray[Any]) -> NDArray[Any]:
        grid = np.zeros((*where.shape, *values.shape[1:]), values.dtype)
        grid[at] = values
        return grid

    grays, pixels = [], []
    for shape, view, camera in zip(shapes, views, cameras, strict=True):
        places, normals = (
            np.einsum("nk,nkc->nc", weights, values[corners])
            for values in (shape, vertex_normals(shape, template.skin))
        )
        colors, facing, sees = colors_in_view(places, unit_vectors(normals), view.rgb, view.mask, view.camera)
        where[at] &= sees & (facing > _LEAST_FACING)
        grays.append(on_grid(colors.astype(np.float32) @ _LUMINANCE))
        pixels.append(on_grid(camera.project(torch.from_numpy(places))[0].numpy()))
    if where.sum() < _FEWEST * _APART_PX**2:
        return None
    first, second = (_evenly_lit(gray, where) for gray in grays)
    return _Overlap(where, (first, second), (pixels[0], pixels[1]), on_grid(corners), on_grid(weights))


def _ties(overlap: _Overlap, photos: tuple[int, int]) -> Ties | None:
    """The places at which flow from the first picture of an overlap to the second is to be trusted."""
    first, second = overlap.pictures
    # What the first picture has at x, the second has at x + flow
    flow = _flow(first, second)
    moved = np.mgrid[: first.shape[0], : first.shape[1]] + flow
    alike = _alike(first, _sampled(second, moved), overlap.where)
    inside = distance_transform_edt(overlap.where)
    good = (alike > _LEAST_ALIKE) & (np.hypot(*flow) < _MOST_FLOW_PX)
    # At the overlap's edge, windows hold only part of what they compare
    good &= (inside > _WINDOW_PX / 2) & (_sampled(inside, moved) > _WINDOW_PX / 2)
    at = _best_of_cells(good, alike)
    if len(at[0]) < _FEWEST:
        return None
    here, there = overlap.pixels
    found = np.stack([_sampled(there[..., axis], moved[:, *at]) for axis in range(2)], 1)
    # From steps in the picture, along rows and columns, to pixels of the second photo
    by_step = np.moveaxis(np.array(np.gradient(there, axis=(0, 1))), 0, -1)[at]
    covariance = by_step @ _flow_covariance(first, alike)[at] @ by_step.transpose(0, 2, 1)
    return Ties.of(
        load_head(), photos, overlap.corners[at], overlap.weights[at], (here[at], found), covariance
    )


def _evenly_lit(picture: Picture, where: Bools) -> Picture:
    """The picture (H, W) with local mean 0 and deviation 1 over `where` (H, W), 0 elsewhere."""
    share = gaussian_filter(where.astype(np.float32), 2 * _WINDOW_PX) + 1e-6
    mean = gaussian_filter(np.where(where, picture, 0), 2 * _WINDOW_PX) / share
    rest = np.where(where, picture - mean, np.float32(0))
    deviation = np.sqrt(gaussian_filter(rest**2, 2 * _WINDOW_PX) / share)
    return np.asarray(rest / (deviation + _LEAST_CONTRAST))


def _flow(first: Picture, second: Picture) -> Array:
    """(2, H, W) rows and columns from places in the first picture to the same in the second.

    By iterated Lucas and Kanade (Le Besnerais and Champagnat 2005), of scikit-image.
    """
    from skimage.registration import optical_flow_ilk

    flow = optical_flow_ilk(first, second, radius=_FLOW_RADIUS_PX, num_warp=_FLOW_STEPS)  # type: ignore[no-untyped-call]
    return np.asarray(flow, np.float64)


def _sampled(values: Array | Picture, at: Array) -> Array:
    """Values (...) of a picture (H, W) at rows and columns (2, ...)."""
    return np.asarray(map_coordinates(values, at, order=1, mode="nearest"), np.float64)


def _alike(first: Picture, second: Array, where: Bools) -> Array:
    """(H, W) normalised cross-correlation of two pictures in the window around each pixel."""
    share = gaussian_filter(where.astype(np.float32), _WINDOW_PX) + 1e-6

    def mean(values: Array | Picture) -> Array:
        return np.asarray(gaussian_filter(np.where(where, values, 0), _WINDOW_PX) / share)

    # Cov(a, b) / √(Var a · Var b), moments weighted by the window
    a, b = mean(first), mean(second)
    variance = (mean(first**2) - a**2) * (mean(second**2) - b**2)
    return np.asarray((mean(first * second) - a * b) / np.sqrt(np.maximum(variance, 1e-4)))


def _flow_covariance(picture: Picture, alike: Array) -> Array:
    """(H, W, 2, 2) of flow, square pixels: that of Lucas and Kanade (1981), and that of the best of ties.

    Along an edge a picture says nothing about where a place on it has gone.
    """
    slopes = np.gradient(picture)
    tensor = np.stack(
        [np.stack([gaussian_filter(one * other, _WINDOW_PX) for other in slopes], -1) for one in slopes], -2
    )
    # Two pictures of variance 1 and correlation c differ by a noise of variance 2 (1 − c)
    noise = 2 * (1 - np.clip(alike, 0, 0.98))[..., None, None]
    known = _INDEPENDENT * tensor / noise + 1e-3 * np.eye(2)
    return np.asarray(np.linalg.inv(known) + _PERFECT_PX**2 * np.eye(2))


def _best_of_cells(good: Bools, score: Array) -> tuple[Ints, Ints]:
    """Rows and columns of the good pixel of the highest score in each cell of a grid that has one."""
    # Sorted by score, the first of each cell is its best
    rows, columns = good.nonzero()
    order = np.argsort(-score[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    cell = (rows // _APART_PX) * good.shape[1] + columns // _APART_PX
    first = np.unique(cell, return_index=True)[1]
    return rows[first], columns[first]
