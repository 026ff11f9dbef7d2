"""Long hair behind ears and neck, of which a photo from the front shows no more than its two sides.

It hangs from the back of the skull as far down as beside the neck, and lies on the back. Checked on people
who were rendered from all round: 140 to 180° from the photo's side, pictures gained 2 to 4 dB.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools
from fastavatar.models.facemesh import EAR, HeadTemplate
from fastavatar.rendering import rasterise_mesh

_LEAST_WIDTH_M = 0.045
"""Half width of hair below the ears from which there is hair behind the neck, about the neck's own."""
_FEW, _LOWEST, _LONG_M = 50, 0.05, 0.03
"""Hair is long if this share of its pixels lies so far below the ears' middle: below the jaw's corner."""
_BROADEST, _END = 0.97, 0.02
"""Quantiles that leave out single locks: of the width at one height, and of the heights."""
_NARROWER = 0.6
"""A side that is hidden has at least so much of the width of the other."""
_TOP_M, _BOTTOM_M, _THICK_M = 0.07, 0.03, 0.012
"""Lengths over which hair gains its thickness from the top and loses it to the end, and that thickness."""
_ABOVE_EARS_M, _ON_BACK_M = 0.05, 0.03
"""The fall begins so far above the ears' middle; so far below it, it lies on what is there."""
_MIDDLE_M = 0.03
"""Half width of the middle of the head, whose back decides where hair hangs."""
_SMOOTH_VOXELS = 2
_FAR_M = 20.0
"""Distance from which rays are nearly parallel."""


class Voxels(NamedTuple):
    """The centres of voxels along each axis of the head frame, ascending, metres."""

    x: Array
    y: Array
    z: Array

    @property
    def voxel_m(self) -> float:
        """Distance between neighbouring centres."""
        return float(self.x[1] - self.x[0])

    def centers(self) -> Array:
        """(X·Y·Z, 3) all centres, z changing fastest."""
        return np.stack(np.meshgrid(*self, indexing="ij"), -1).reshape(-1, 3)


def fall_behind(grid: Voxels, broad: Array, loose: Array, template: HeadTemplate, vertices: Array) -> Bools:
    """Which voxels (X, Y, Z) hold long hair behind ears and neck of a head (V, 3), head frame.

    `loose` (K, 3) are places of the hair that a photo shows beside the head and on the body, `broad` (L, 3)
    those where it is more than a strand. At each height the hair's cross-section is half an ellipse, as wide
    as `broad` to either side.
    """
    x, y, z = grid
    ears = vertices[template.region == EAR].mean(0)
    if len(broad) < _FEW or np.quantile(broad[:, 1], _LOWEST) > ears[1] - _LONG_M:
        return np.zeros((len(x), len(y), len(z)), bool)
    # 1.6 voxels to either side leave no height without pixels between two rows of a small photo
    left, right = _half_widths(broad, y, 1.6 * grid.voxel_m)
    low, top = np.quantile(loose[:, 1], _END), ears[1] + _ABOVE_EARS_M
    thick = _THICK_M * np.clip((y - low) / _BOTTOM_M, 0.2, 1) * np.clip((top - y) / _TOP_M, 0, 1)
    # Height of an ellipse over its half width, 1 in the middle
    height = np.sqrt(np.clip(1 - (x[:, None] / np.where(x[:, None] > 0, left, right)) ** 2, 0, 1))
    rear = _rear(grid, vertices, template)
    # From the back of the skull hair falls straight down, unless neck or back are farther out
    middle = np.where(y < top, rear[np.abs(x) < _MIDDLE_M].min(0), np.inf)
    hangs = np.minimum.accumulate(middle[::-1])[::-1]
    hangs = gaussian_filter1d(np.minimum(hangs, ears[2] - _LEAST_WIDTH_M), _SMOOTH_VOXELS)
    # z grows to the front, so thickness is subtracted
    back = ears[2] - (ears[2] - hangs + thick) * height
    lies = np.where(y < ears[1] - _ON_BACK_M, rear - thick * height, np.inf)
    there = (height > 0) & (y > low) & (y < top) & (np.maximum(left, right) > _LEAST_WIDTH_M)
    return np.asarray(there[..., None] & (z <= ears[2]) & (z >= np.minimum(back, lies)[..., None]))


def _half_widths(hair: Array, y: Array, reach_m: float) -> tuple[Array, Array]:
    """Half widths (Y,) of hair (K, 3) to the left and to the right at heights (Y,)."""
    sides = []
    for side in (hair[hair[:, 0] > 0], hair[hair[:, 0] < 0]):
        near = [np.abs(side[np.abs(side[:, 1] - level) < reach_m, 0]) for level in y]
        known = np.array([len(one) > 4 for one in near])
        width = np.array([np.quantile(one, _BROADEST) if len(one) > 4 else 0.0 for one in near])
        sides.append(np.interp(y, y[known], width[known]) if known.any() else width)
    left, right = sides
    wide = np.maximum(left, _NARROWER * right), np.maximum(right, _NARROWER * left)
    left, right = (np.maximum(gaussian_filter1d(one, _SMOOTH_VOXELS), 1e-3) for one in wide)
    return left, right


def _rear(grid: Voxels, vertices: Array, template: HeadTemplate) -> Array:
    """(X, Y) z of the hindmost surface of a head (V, 3) at each column of voxels, infinite beside it."""
    x, y, _ = grid
    # A camera far behind the head, with a pixel to a column
    K = torch.diag(torch.tensor([_FAR_M / grid.voxel_m, _FAR_M / grid.voxel_m, 1], dtype=torch.float64))
    K[:2, 2] = torch.tensor([x[-1], y[-1]]) / grid.voxel_m + 0.5
    pose = torch.diag(torch.tensor([-1, -1, 1, 1], dtype=torch.float64))
    pose[2, 3] = _FAR_M
    seen = rasterise_mesh(vertices, template.faces, Camera(K, pose, len(x), len(y)))
    return np.where(seen.hit, seen.depth - _FAR_M, np.inf)[::-1, ::-1].T
