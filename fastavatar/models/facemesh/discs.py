"""Points of a surface as Gaussians: thin opaque discs, and their colours as a picture shows them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from fastavatar.core import Gaussians, decode_colors, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry import Array, Bools, Ints, quaternion_wxyz_from_matrix, unit_vectors
from fastavatar.models.facemesh import DetailPoints, HeadView
from fastavatar.rendering import Coloring
from fastavatar.surfaces import DISC_THICKNESS, DISC_WIDTH

OPACITY = 0.99
DISC_WIDTH_HIDDEN = 0.95
"""As `DISC_WIDTH`, where no photo shows the surface: wider, as blur does not show and specks would."""
DETAIL_WIDTH = 0.6
"""As `DISC_WIDTH`, for discs placed by pixels: the sharpest that leave no holes between them."""
AT_EDGE = 0.4
"""Standard deviation of a disc by pixels, as a part of its distance to the person's outline: little sticks
out."""
LEAST_PX = 0.3
"""Its least, pixels: the renderer's blur is about twice as wide."""
STEEPEST = 0.5
"""Cosine between normal and view below which discs by pixels turn toward the view, not to become needles."""
EDGE_ON = 0.3
"""Cosine below which they face the view."""
SHARPENING_ROUNDS = 5
"""Three reach 0.3 dB less in the own view; eight reach 0.2 dB more."""
LEAST_SHARE = 0.05
"""Added to the pixels that a disc's colour is answerable for: one that hardly shows stays as it is."""
MOST_SHARPENED, MOST_AT_RIM = 0.5, 0.1
"""Largest change of a colour by sharpening, and of one that a view only grazes. Detail that would need more
than the first is finer than the discs and would ring; more than the second would be a line from aside."""


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
    sigma_px = np.minimum(DETAIL_WIDTH * points.step_px, np.maximum(LEAST_PX, AT_EDGE * points.edge_px))
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


def sharpened(
    gaussians: Gaussians, source: Ints, most: Array, views: Sequence[HeadView], gains: Array
) -> Gaussians:
    """The discs with colours corrected for their overlap, which blurs them.

    Each disc takes colours from one view, whose index is its `source` (N,), −1 for none, and changes by no
    more than `most` (N,). The simultaneous algebraic reconstruction technique (Andersen and Kak 1984): a
    disc's colour changes by the mean of what is missing in the view's pixels, each weighted by how much of it
    the disc is.
    """
    start = decode_colors(gaussians.sh[:, 0]).numpy()
    reach = most.astype(np.float32)[:, None]
    low, high = (start - reach).clip(0, None), (start + reach).clip(None, 1)
    truths = [
        np.clip(view.rgb * gain.astype(np.float32), 0, 1) for view, gain in zip(views, gains, strict=True)
    ]
    # A picture is linear in the colours, I = W·c: Wᵀ spreads what is missing, and Wᵀ·1 are the shares
    drawings = [Coloring(gaussians, view.camera) for view in views]
    known = start
    for _ in range(SHARPENING_ROUNDS):
        # One view after the other: what one corrects, the next one sees
        for index, (drawing, truth) in enumerate(zip(drawings, truths, strict=True)):
            image, alpha = drawing.picture(known)
            # Where the backdrop shows through, discs make up their own part of the colour only
            missing, share = drawing.gathered(alpha[..., None] * truth - image)
            mine = (source == index)[:, None]
            changed = (known + missing / (share + LEAST_SHARE)).clip(low, high)
            known = np.where(mine, changed, known)
    return replace(gaussians, sh=encode_colors(torch.from_numpy(known))[:, None])


def _frames(normals: Array) -> Array:
    """Rotations (N, 3, 3) whose third axis is the unit normal (N, 3)."""
    # Gram–Schmidt from x, or from y where the normal is nearly parallel to x
    start = np.where(np.abs(normals[:, :1]) > 0.9, [0.0, 1, 0], [1.0, 0, 0])
    tangent = unit_vectors(np.cross(start, normals))
    return np.stack([tangent, np.cross(normals, tangent), normals], 2)
