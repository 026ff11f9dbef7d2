"""Small pictures of a surface as a view sees it, and where two of them look most alike."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from fastavatar.geometry.arrays import Array, Ints
from fastavatar.models.facemesh.view import View

_LUMINANCE = np.array([0.30, 0.59, 0.11], np.float32)
_BLUR = 0.4  # standard deviation in steps of a patch, so that its samples do not miss anything between them


def tangents(normals: Array) -> Array:
    """(N, 2, 3) unit vectors along the surface: level with the head's y axis, and up from there."""
    level = np.cross([0.0, 1.0, 0.0], normals)
    level /= np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
    return np.stack([level, np.cross(normals, level)], 1)


def gray(view: View, step_m: float) -> Array:
    """The view's luminance (H, W), free of what patches of this step cannot hold."""
    px_per_m = float(view.camera.K[0, 0] / view.camera.world_to_camera[2, 3])
    return np.asarray(gaussian_filter(view.rgb @ _LUMINANCE, _BLUR * step_m * px_per_m), np.float64)


def patches(image: Array, view: View, points: Array, axes: Array, half: int, step_m: float) -> Array:
    """(N, 2·half+1, 2·half+1) an image (H, W) of the view around points (N, 3), along axes (N, 2, 3)."""
    reach = np.arange(-half, half + 1) * step_m
    along, up = axes[:, 0, None, None], axes[:, 1, None, None]
    at = points[:, None, None] + reach[None, :, None, None] * along + reach[None, None, :, None] * up
    pixels = view.camera.project(torch.from_numpy(at.reshape(-1, 3)))[0].numpy()
    values = map_coordinates(image, [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5], order=1, mode="nearest")
    return np.asarray(values.reshape(at.shape[:3]))


def correlations(small: Array, large: Array) -> Array:
    """(N, S, S) normalised correlation of patches (N, h, h) with each place in (N, h+S−1, h+S−1)."""
    size, places = small.shape[1], large.shape[1] - small.shape[1] + 1
    small = small - small.mean((1, 2), keepdims=True)
    product = np.empty((len(small), places, places))
    for down in range(places):
        for right in range(places):
            window = large[:, down : down + size, right : right + size]
            product[:, down, right] = np.einsum("nij,nij->n", window, small)
    variance = _box_sums(large**2, size) - _box_sums(large, size) ** 2 / size**2
    norm = np.sqrt((small**2).sum((1, 2)))[:, None, None] * np.sqrt(np.maximum(variance, 1e-8))
    return np.asarray(product / np.maximum(norm, 1e-6))


def peaks(values: Array) -> tuple[Ints, Array, Array, Array]:
    """The highest of each (N, S, S) that is not on its rim.

    Indices (M,) of those that have one, its place (M, 2) to a fraction of a step, its height (M,) and the
    curvature (M, 2, 2) around it, both positive downward.
    """
    count, size, _ = values.shape
    row, column = np.divmod(values.reshape(count, -1).argmax(1), size)
    inner = np.flatnonzero((row > 0) & (row < size - 1) & (column > 0) & (column < size - 1))
    r, c = row[inner], column[inner]

    def at(down: int, right: int) -> Array:
        return np.asarray(values[inner, r + down, c + right])

    top = at(0, 0)
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
