"""Discs that cover a surface given by points."""

import numpy as np
import torch

from fastavatar.core import Gaussians, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry import Array, nearest_neighbours, quaternion_wxyz_from_matrix
from fastavatar.surfaces import Surface

OPACITY = 0.97  # almost opaque, yet with a gradient for refinement
DISC_WIDTH = 0.75
"""Standard deviation of a disc along the surface, in distances between points: no holes, little blur."""
DISC_THICKNESS = 0.15
"""Standard deviation across the surface, as a fraction of that along it."""
_MAX_STRETCH = 2.0  # of a disc's axes, where points lie closer in one direction than in the other
_SPACING_NEIGHBOURS = 4  # whose root mean square distance is a point's spacing


def opaque_discs(surface: Surface, colors: Array) -> Gaussians:
    """One disc per point, flat on the surface, just wide enough to cover it, in colours (N, 3) of 0…1."""
    distance, nearest = nearest_neighbours(surface.points)
    around = surface.points[nearest] - surface.points[:, None]
    normals = surface.normals
    # Neighbours projected into the tangent plane: their covariance gives the disc's two axes
    around = around - np.einsum("nki,ni->nk", around, normals)[..., None] * normals[:, None]
    variance, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    long = axes[:, :, 2]
    frames = np.stack([long, np.cross(normals, long), normals], 2)
    # A fourth root of variances: half of the anisotropy of the points, spread over both axes
    stretch = np.clip((variance[:, 2] / np.maximum(variance[:, 1], 1e-18)) ** 0.25, 1, _MAX_STRETCH)
    width = DISC_WIDTH * np.sqrt((distance[:, :_SPACING_NEIGHBOURS] ** 2).mean(1)).clip(1e-5)
    scales = np.stack([width * stretch, width / stretch, DISC_THICKNESS * width], 1)
    return Gaussians(
        torch.from_numpy(surface.points).float(),
        quaternion_wxyz_from_matrix(torch.from_numpy(frames)).float(),
        encode_scales(torch.from_numpy(scales)).float(),
        encode_opacities(torch.full((len(normals),), OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )
