"""Points of a surface as Gaussians: thin opaque discs, and their colours as a picture shows them."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from fastavatar.core import Gaussians, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry import Array, Bools, Ints, quaternion_wxyz_from_matrix, unit_vectors
from fastavatar.models.facemesh import DetailPoints, HeadView
from fastavatar.rendering import render
from fastavatar.surfaces import DISC_THICKNESS, DISC_WIDTH

OPACITY = 0.99
DISC_WIDTH_HIDDEN = 0.95
"""As `DISC_WIDTH`, where no photo shows the surface: wider, as blur does not show and specks would."""
DETAIL_WIDTH = 0.6
"""As `DISC_WIDTH`, for discs placed by pixels: the sharpest that leave no holes between them."""
STEEPEST = 0.5
"""Cosine between normal and view below which discs by pixels turn toward the view, not to become needles."""
EDGE_ON = 0.3
"""Cosine below which they face the view."""
SHARPENING_ROUNDS = 3
SHARPENING_RATE = 0.8
MOST_SHARPENED = 0.3
"""Largest change of a colour by sharpening; detail that would need more is finer than the discs and would
ring."""


def even_discs(spacing: Array, means: Array, normals: Array, colors: Array, seen: Bools) -> Gaussians:
    """Discs at means (N, 3) with normals (N, 3) and colours (N, 3), `spacing` (N,) metres apart."""
    width = np.where(seen, DISC_WIDTH, DISC_WIDTH_HIDDEN) * spacing
    return _discs(means, _frames(normals), np.stack([width, width], 1), colors)


def detail_discs(
    points: DetailPoints, means: Array, normals: Array, colors: Array, view: HeadView
) -> Gaussians:
    """Discs for the detail of a view at means (N, 3), as long on the surface as they are wide in the view.

    At the person's outline they are small enough to stay within it.
    """
    to_camera = view.camera.center.numpy() - means
    depth = np.linalg.norm(to_camera, axis=1)
    to_camera /= depth[:, None]
    facing = (normals * to_camera).sum(1)
    # Edge-on discs would be needles; facing the view instead, they hardly show from aside
    toward = np.clip((STEEPEST - facing) / (STEEPEST - EDGE_ON), 0, 1)[:, None]
    normals = unit_vectors((1 - toward) * normals + toward * to_camera)
    # From here on the cosine of the turned disc, which bounds its length
    facing = np.clip((normals * to_camera).sum(1), STEEPEST, 1)
    # The first axis runs down the slope, where the surface is longer than its picture by 1/cos
    slope = to_camera - (to_camera * normals).sum(1)[:, None] * normals
    level = np.linalg.norm(slope, axis=1) < 1e-3
    slope[level] = _frames(normals[level])[:, :, 0]
    slope = unit_vectors(slope)
    frames = np.stack([slope, np.cross(normals, slope), normals], 2)
    # Half the distance to the outline is a bit more than one standard deviation: little sticks out
    sigma_px = np.minimum(DETAIL_WIDTH * points.step_px, np.maximum(0.3, 0.4 * points.edge_px))
    width = sigma_px * depth / float(view.camera.K[0, 0])
    return _discs(means, frames, np.stack([width / facing, width], 1), colors)


def _discs(means: Array, frames: Array, width: Array, colors: Array) -> Gaussians:
    """Discs with axes (N, 3, 3) as columns, the third the normal, and standard deviations (N, 2)."""
    scales = np.concatenate([width, DISC_THICKNESS * width.min(1, keepdims=True)], 1)
    return Gaussians(
        torch.from_numpy(means).float(),
        quaternion_wxyz_from_matrix(torch.from_numpy(frames)).float(),
        encode_scales(torch.from_numpy(scales)).float(),
        encode_opacities(torch.full((len(means),), OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )


def sharpened(gaussians: Gaussians, source: Ints, views: Sequence[HeadView], gains: Array) -> Gaussians:
    """The discs with colours corrected for their overlap, which blurs them.

    Van Cittert's deconvolution: the difference between view and render at a disc's centre is added to its
    colour, for the discs that took it from that view; `source` (N,) is its index, −1 for none.
    """
    pixels = [view.camera.project(gaussians.means.double())[0].numpy() for view in views]
    black, white, reach = encode_colors(torch.tensor([0.0, 1.0, 0.5 + MOST_SHARPENED]))
    low, high = (gaussians.sh - reach).clamp_min(black), (gaussians.sh + reach).clamp_max(white)
    sh = gaussians.sh.clone()
    # Each round: colour ← colour + rate · (view − render)
    for _ in range(SHARPENING_ROUNDS):
        # One view after the other: what one corrects, the next one sees
        for index, (view, gain, at) in enumerate(zip(views, gains, pixels, strict=True)):
            drawn = render(Gaussians(**{**gaussians.tensors(), "sh": sh}), view.camera).image.numpy()
            lacking = np.clip(view.rgb * gain.astype(np.float32), 0, 1) - drawn
            mine = np.flatnonzero(source == index)
            # The centre of the first pixel is at 0.5 in pictures and at 0 in arrays
            places = np.stack([at[mine, 1] - 0.5, at[mine, 0] - 0.5])
            lack = np.stack(
                [map_coordinates(lacking[..., c], places, order=1, mode="nearest") for c in range(3)], 1
            )
            step = encode_colors(0.5 + SHARPENING_RATE * torch.from_numpy(lack).float())
            sh[mine] = (sh[mine] + step[:, None]).clamp(low[mine], high[mine])
    return Gaussians(**{**gaussians.tensors(), "sh": sh})


def _frames(normals: Array) -> Array:
    """Rotations (N, 3, 3) whose third axis is the unit normal (N, 3)."""
    # Gram–Schmidt from x, or from y where the normal is nearly parallel to x
    start = np.where(np.abs(normals[:, :1]) > 0.9, [0.0, 1, 0], [1.0, 0, 0])
    tangent = unit_vectors(np.cross(start, normals))
    return np.stack([tangent, np.cross(normals, tangent), normals], 2)
