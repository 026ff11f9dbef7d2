"""What a picture tells of surface points: which of them it sees, and their colours."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, minimum_filter

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools

_MIN_FACING = 0.2  # cosine between normal and view below which a surface smears
_OCCLUSION_M = 0.008
_CELL_M = 0.005
_RIM_PX = 2
_MIN_COVERAGE = 0.9


def visible_points(pixels: Array, depth: Array, facing: Array, focal_px: float) -> Bools:
    """Which points (N,) a camera sees: those that face it and have nothing well before them.

    `pixels` (N, 2), `depth` (N,) in metres, `facing` (N,) cosine between normal and view. The points are laid
    in cells as wide as the gaps between them; a surface that turns away may lie as much deeper than the
    nearest point around as its slope explains.
    """
    cell_px = max(1.0, _CELL_M * focal_px / float(np.median(depth)))
    cells = np.floor(pixels / cell_px).astype(np.int64)
    cells -= cells.min(0)
    nearest = np.full(tuple(cells.max(0) + 1), np.inf)
    np.minimum.at(nearest, (cells[:, 0], cells[:, 1]), depth)
    nearest = minimum_filter(nearest, 3, mode="nearest")
    cosine = np.clip(facing, _MIN_FACING, 1)
    slope = np.sqrt(1 - cosine**2) / cosine
    limit = nearest[cells[:, 0], cells[:, 1]] + _OCCLUSION_M + 1.5 * _CELL_M * slope
    return np.asarray((facing > _MIN_FACING) & (depth < limit))


def sample_photo(rgb: NDArray[np.float32], mask: NDArray[np.float32], pixels: Array) -> tuple[Array, Bools]:
    """Colours (N, 3) of a photo (H, W, 3) at pixels (N, 2), and which are the person's (N,).

    A rim of the mask (H, W) is left out: there the background shines through.
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
    """What a picture (H, W, 3) with a person mask (H, W) tells of surface points (N, 3), metres.

    Their colours (N, 3), the cosine (N,) between their normals (N, 3) and the way to the camera, and which of
    them (N,) it sees as the person's. Points may lie `recessed` (N,) metres deeper than what is around them.
    """
    camera = camera.to("cpu", torch.float64)
    pixels, depth = (values.numpy() for values in camera.project(torch.from_numpy(means)))
    to_camera = camera.center.numpy() - means
    facing = (normals * to_camera).sum(1) / np.linalg.norm(to_camera, axis=1)
    colors, covered = sample_photo(rgb, mask, pixels)
    return colors, facing, covered & visible_points(pixels, depth - recessed, facing, float(camera.K[0, 0]))
