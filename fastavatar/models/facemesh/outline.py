"""The head's outline drawn to that of the person in the photo: hair, neck, shoulders.

The head is moved away from or toward its middle, direction by direction; neck and shoulders to the left and
right, row by row. Only what the camera sees from the side moves fully; the face stays where it is.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.spatial import cKDTree

from fastavatar.camera import Camera
from fastavatar.models.facemesh.template import LANDMARKS, NECK, TORSO, Array, HeadTemplate, Ints

_DIRECTIONS = 120
_SMOOTH_DIRECTIONS = 2.0
_HEAD_RANGE = (0.85, 1.8)
_HAIR_DEPTH = 0.6  # hair is about this much as thick behind as the outline shows it at the sides
_LOWEST_DIRECTION_DEG = 115.0  # from straight up; below it neck and shoulders are the outline
_FADE_M = 0.045

# Face Mesh's topmost and lowest point; the body is measured from a little below the chin
_FOREHEAD, _CHIN = 10, 152
_CHIN_MARGIN = 0.12
_ROWS = 80
_SMOOTH_ROWS = 3.0
_BODY_RANGE = (0.7, 1.5)


def fit_outline(template: HeadTemplate, vertices: Array, camera: Camera, mask: NDArray[np.float32]) -> Array:
    """Vertices (V, 3), head frame, whose outline in the camera's view follows the person mask (H, W)."""
    pixels, depth = (values.numpy() for values in camera.to("cpu", torch.float64).project(_tensor(vertices)))
    body = np.isin(template.region, (NECK, TORSO))
    away_from_face = _smoothstep(cKDTree(vertices[:LANDMARKS]).query(vertices)[0] / _FADE_M)

    head_shift, growth = _head_shift(pixels, body, mask)
    body_shift = _body_shift(pixels, body, mask)
    share = _smooth_share(body, template.faces)[:, None]
    shift_px = away_from_face[:, None] * ((1 - share) * head_shift + share * body_shift)

    shift_px[:, 1] -= share[:, 0] * _below_cut(pixels + shift_px, mask)

    metres_per_px = depth / float(camera.K[0, 0])
    in_camera = np.zeros_like(vertices)
    in_camera[:, :2] = shift_px * metres_per_px[:, None]
    middle = np.median(depth[~body])
    behind = np.maximum(depth - middle, 0) * (growth - 1) * _HAIR_DEPTH
    in_camera[:, 2] = away_from_face * (1 - share[:, 0]) * behind
    return vertices + in_camera @ camera.world_to_camera[:3, :3].double().numpy()


def _head_shift(pixels: Array, body: NDArray[np.bool_], mask: NDArray[np.float32]) -> tuple[Array, float]:
    """Shift (V, 2) in pixels that brings the head's outline to the mask's, and the mean growth of the outline."""
    center = (pixels[~body].min(0) + pixels[~body].max(0)) / 2
    offset = pixels - center
    radius = np.linalg.norm(offset, axis=1)
    direction = np.degrees(np.arctan2(offset[:, 0], -offset[:, 1]))  # 0 is up, clockwise in the picture
    at = np.arange(_DIRECTIONS) * 360 / _DIRECTIONS - 180
    own = _largest_by_bin(
        ((direction + 180) / 360 * _DIRECTIONS).astype(np.int64) % _DIRECTIONS, radius, ~body
    )
    wanted = _first_exit(mask, center, at + 180 / _DIRECTIONS, own)
    known = np.isfinite(wanted)
    if not known.any():
        return np.zeros_like(pixels), 1.0
    ratio = np.interp(at, at[known], np.clip(wanted / own, *_HEAD_RANGE)[known], period=360)
    upper = np.clip((_LOWEST_DIRECTION_DEG - np.abs(at)) / 15, 0, 1)
    ratio = 1 + (ratio - 1) * upper
    ratio = gaussian_filter1d(ratio, _SMOOTH_DIRECTIONS, mode="wrap")
    factor = np.interp(direction, at + 180 / _DIRECTIONS, ratio, period=360)
    growth = float(np.average(ratio, weights=upper))
    return offset * (factor - 1)[:, None], max(growth, 1.0)


def _first_exit(mask: NDArray[np.float32], center: Array, directions_deg: Array, own: Array) -> Array:
    """Distance (D,) at which the rays from `center` leave the mask; NaN where they reach the picture's edge."""
    steps = np.linspace(0.6, 2.0, 120)
    radii = own[:, None] * steps
    angle = np.radians(directions_deg)[:, None]
    x, y = center[0] + radii * np.sin(angle), center[1] - radii * np.cos(angle)
    inside = map_coordinates(mask, [y - 0.5, x - 0.5], order=1, mode="constant", cval=1.0) > 0.5
    height, width = mask.shape
    first = np.where((~inside).any(1), (~inside).argmax(1), len(steps) - 1)
    row = np.arange(len(own))
    at_x, at_y = x[row, first], y[row, first]
    in_picture = (at_x > 1) & (at_x < width - 1) & (at_y > 1) & (at_y < height - 1)
    return np.where(in_picture & (~inside).any(1), radii[row, first], np.nan)


def _body_shift(pixels: Array, body: NDArray[np.bool_], mask: NDArray[np.float32]) -> Array:
    """Shift (V, 2) in pixels, along x, that brings neck and shoulders to the mask's width row by row."""
    height, width = mask.shape
    low, high = pixels[body, 1].min(), pixels[body, 1].max()
    rows = np.linspace(low, high, _ROWS)
    bin_of = np.clip(
        ((pixels[:, 1] - low) / (high - low) * (_ROWS - 1)).round().astype(np.int64), 0, _ROWS - 1
    )
    left, right = (-_largest_by_bin(bin_of, -pixels[:, 0], body), _largest_by_bin(bin_of, pixels[:, 0], body))
    middle = gaussian_filter1d((left + right) / 2, _SMOOTH_ROWS)
    below_chin = pixels[_CHIN, 1] + _CHIN_MARGIN * (pixels[_CHIN, 1] - pixels[_FOREHEAD, 1])
    ratios = np.full((2, _ROWS), np.nan)
    for side, own in enumerate((middle - left, right - middle)):
        sign = (-1, 1)[side]
        for k in np.flatnonzero((rows > below_chin) & (rows < height - 1)):
            steps = np.linspace(0.3, 2.0, 120) * own[k]
            x = middle[k] + sign * steps
            on = map_coordinates(mask, [np.full_like(x, rows[k] - 0.5), x - 0.5], order=1, cval=1.0) > 0.5
            if on.all() or not on[0]:
                continue
            exit_x = x[(~on).argmax()]
            if 1 < exit_x < width - 1:
                ratios[side, k] = np.clip(abs(exit_x - middle[k]) / own[k], *_BODY_RANGE)
        known = np.isfinite(ratios[side])
        if known.any():
            ratios[side] = np.interp(rows, rows[known], ratios[side, known])
            ratios[side] = gaussian_filter1d(ratios[side], _SMOOTH_ROWS, mode="nearest")
        else:
            ratios[side] = 1
    offset = pixels[:, 0] - np.interp(pixels[:, 1], rows, middle)
    factor = np.where(
        offset < 0, np.interp(pixels[:, 1], rows, ratios[0]), np.interp(pixels[:, 1], rows, ratios[1])
    )
    return np.column_stack([offset * (factor - 1), np.zeros(len(pixels))])


def _below_cut(pixels: Array, mask: NDArray[np.float32]) -> Array:
    """How many pixels (V,) each point lies below the last row of the person in its column.

    Where the person goes on beyond the picture nothing is cut.
    """
    height, width = mask.shape
    person = mask > 0.5
    columns = np.flatnonzero(person.any(0))
    if not len(columns):
        return np.zeros(len(pixels))
    last = height - 1 - person[::-1, columns].argmax(0)
    cut = np.where(last >= height - 2, np.inf, last)
    nearest = columns[np.abs(columns[:, None] - np.arange(width)).argmin(0)]
    at = np.clip(pixels[:, 0].round().astype(np.int64), 0, width - 1)
    return np.maximum(pixels[:, 1] - cut[np.searchsorted(columns, nearest[at])], 0)


def _largest_by_bin(bins: Ints, values: Array, chosen: NDArray[np.bool_]) -> Array:
    """The largest of the chosen values in each bin; empty bins between take their neighbours'."""
    count = int(bins.max()) + 1
    largest = np.full(count, -np.inf)
    np.maximum.at(largest, bins[chosen], values[chosen])
    filled = np.isfinite(largest)
    return np.interp(np.arange(count), np.flatnonzero(filled), largest[filled])


def _smooth_share(chosen: NDArray[np.bool_], faces: Ints, rounds: int = 12) -> Array:
    """1 at the chosen vertices (V,), 0 at the others, with a soft border several triangles wide."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    share = chosen.astype(np.float64)
    degree = np.bincount(edges[:, 0], minlength=len(share))
    for _ in range(rounds):
        share = np.bincount(edges[:, 0], share[edges[:, 1]], len(share)) / np.maximum(degree, 1)
    return share


def _smoothstep(x: Array) -> Array:
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(values)
