"""Surface points in a picture: which of them it sees, and their colours."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, minimum_filter

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools

_MIN_FACING = 0.2  # cosine between normal and view below which a surface smears
_OCCLUSION_M = 0.008  # a point this much deeper than its surroundings is hidden: about a lip's thickness
_CELL_M = 0.005  # of the depth buffer: wider than the gaps between points
_RIM_PX = 2  # of the mask, where the background shines through
_MIN_COVERAGE = 0.9


def visible_points(pixels: Array, depth: Array, facing: Array, focal_px: float) -> Bools:
    """Which points (N,) a camera sees: those that face it and are not hidden by nearer ones.

    `pixels` (N, 2), `depth` (N,) in metres, `facing` (N,) cosine between normal and direction of view. A
    depth buffer with cells wider than the gaps between points decides; where a surface turns away, it may be
    deeper than the nearest point around by as much as its slope explains.
    """
    cell_px = max(1.0, _CELL_M * focal_px / float(np.median(depth)))
    cells = np.floor(pixels / cell_px).astype(np.int64)
    cells -= cells.min(0)
    nearest = np.full(tuple(cells.max(0) + 1), np.inf)
    # Depth buffer: the nearest point of each cell, then of its 3 × 3 surroundings
    np.minimum.at(nearest, (cells[:, 0], cells[:, 1]), depth)
    nearest = minimum_filter(nearest, 3, mode="nearest")
    cosine = np.clip(facing, _MIN_FACING, 1)
    # tan of the angle between normal and view: depth per distance along the picture
    slope = np.sqrt(1 - cosine**2) / cosine
    limit = nearest[cells[:, 0], cells[:, 1]] + _OCCLUSION_M + 1.5 * _CELL_M * slope
    return np.asarray((facing > _MIN_FACING) & (depth < limit))


def sample_photo(rgb: NDArray[np.float32], mask: NDArray[np.float32], pixels: Array) -> tuple[Array, Bools]:
    """Colours (N, 3) of a photo (H, W, 3) at pixels (N, 2), and which of them (N,) are the person's.

    The rim of the mask (H, W) is left out, as the background shines through there.
    """
    height, width = mask.shape
    inside = ((pixels >= 0) & (pixels < [width, height])).all(1)
    at = np.stack([pixels[:, 1] - 0.5, pixels[:, 0] - 0.5])
    core = minimum_filter(mask, 2 * _RIM_PX + 1, mode="nearest")
    covered = map_coordinates(core, at, order=1, mode="nearest") > _MIN_COVERAGE
    colors = np.stack([map_coordinates(rgb[..., c], at, order=1, mode="nearest") for c in range(3)], 1)
    return colors.astype(np.float64), inside & covered


def colors_in_view(
    means: Array,
    normals: Array,
    rgb: NDArray[np.float32],
    mask: NDArray[np.float32],
    camera: Camera,
    recessed: Array | float = 0.0,
) -> tuple[Array, Array, Bools]:
    """Surface points (N, 3), metres, in a picture (H, W, 3) with a person mask (H, W).

    Returns their colours (N, 3), the cosines (N,) between their normals (N, 3) and the directions to the
    camera, and which of them (N,) are seen as the person's. `recessed` (N,) are metres by which points lie
    deeper than the surface around them without being hidden by it, such as teeth behind lips.
    """
    camera = camera.to("cpu", torch.float64)
    pixels, depth = (values.numpy() for values in camera.project(torch.from_numpy(means)))
    to_camera = camera.center.numpy() - means
    facing = (normals * to_camera).sum(1) / np.linalg.norm(to_camera, axis=1)
    colors, covered = sample_photo(rgb, mask, pixels)
    return colors, facing, covered & visible_points(pixels, depth - recessed, facing, float(camera.K[0, 0]))
