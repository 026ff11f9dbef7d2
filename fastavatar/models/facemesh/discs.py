"""The fitted head as Gaussians: thin opaque discs along its surface, in the photo's colours."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fastavatar.gaussians import Gaussians, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry.arrays import Array, Ints
from fastavatar.geometry.quaternions import quaternion_wxyz_from_matrix
from fastavatar.models.facemesh.outline import hangs_below
from fastavatar.models.facemesh.surface import SurfacePoints, stretch, surface_points, vertex_normals
from fastavatar.models.facemesh.template import NECK, TORSO, load_template
from fastavatar.models.facemesh.view import View
from fastavatar.render import render
from fastavatar.surfaces.completion import complete_colors
from fastavatar.surfaces.seen import colors_in_view

OPACITY = 0.99
DISC_WIDTH_SEEN, DISC_WIDTH_HIDDEN = 0.75, 0.95
"""Standard deviation of a disc along the surface, in distances between points: closed, and where the photo
shows the surface not blurred."""
DISC_THICKNESS = 0.15
"""Standard deviation across the surface, in those along it."""
SHARPENING_ROUNDS = 2
SHARPENING_RATE = 0.8


def dress(vertices: Array, view: View) -> Gaussians:
    """Gaussians on the surface of the fitted head (V, 3), head frame, coloured from the view."""
    points = surface_points()
    means = points.at(vertices)
    normals = points.at(vertex_normals(vertices, load_template().faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    colors, seen = _colors(points, means, normals, view)
    kept = ~hangs_below(means, np.isin(points.region, (NECK, TORSO)), view.camera, view.mask)
    gaussians = _discs(points, vertices, means, normals, colors, seen).subset(torch.from_numpy(kept))
    return _sharpened(gaussians, seen[kept], view)


def _colors(
    points: SurfacePoints, means: Array, normals: Array, view: View
) -> tuple[Array, NDArray[np.bool_]]:
    """Colours (N, 3) of the points, and which of them the view shows (N,)."""
    colors, _, seen = colors_in_view(means, normals, view.rgb, view.mask, view.camera)
    far = _region_means(colors, seen, points.region)
    return complete_colors(colors, seen, points.neighbours, points.mirror, far), seen


def _region_means(colors: Array, seen: NDArray[np.bool_], region: Ints) -> Array:
    """For each point (N,) the mean colour of what is seen in its region: hair behind is as before."""
    means = np.tile(colors[seen].mean(0) if seen.any() else colors.mean(0), (len(colors), 1))
    for part in np.unique(region[seen]):
        means[region == part] = colors[seen & (region == part)].mean(0)
    return means


def _discs(
    points: SurfacePoints,
    vertices: Array,
    means: Array,
    normals: Array,
    colors: Array,
    seen: NDArray[np.bool_],
) -> Gaussians:
    share = np.where(seen, DISC_WIDTH_SEEN, DISC_WIDTH_HIDDEN)
    width = share * points.spacing * stretch(points, load_template().vertices, vertices)
    scales = np.stack([width, width, DISC_THICKNESS * width], 1)
    return Gaussians(
        torch.from_numpy(means).float(),
        quaternion_wxyz_from_matrix(_frames(torch.from_numpy(normals))).float(),
        encode_scales(torch.from_numpy(scales)).float(),
        encode_opacities(torch.full((len(means),), OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )


def _sharpened(gaussians: Gaussians, seen: NDArray[np.bool_], view: View) -> Gaussians:
    """The same discs, those seen (N,) coloured so that their overlap shows the view rather than a blur of it.

    Discs mix with their neighbours; what the drawing lacks at a disc's place is added to its colour, a few
    times over (Van Cittert's deconvolution).
    """
    index = torch.from_numpy(np.flatnonzero(seen))
    pixels = view.camera.project(gaussians.means[index].double())[0].numpy()
    at = np.stack([pixels[:, 1] - 0.5, pixels[:, 0] - 0.5])
    sh = gaussians.sh.clone()
    for _ in range(SHARPENING_ROUNDS):
        drawn = render(Gaussians(**{**gaussians.tensors(), "sh": sh}), view.camera).image.numpy()
        lacking = view.rgb - drawn
        lack = np.stack([map_coordinates(lacking[..., c], at, order=1, mode="nearest") for c in range(3)], 1)
        step = encode_colors(0.5 + SHARPENING_RATE * torch.from_numpy(lack).float())
        low, high = encode_colors(torch.tensor(0.0)), encode_colors(torch.tensor(1.0))
        sh[index, 0] = (sh[index, 0] + step).clamp(low, high)
    return Gaussians(**{**gaussians.tensors(), "sh": sh})


def _frames(normals: torch.Tensor) -> torch.Tensor:
    """Rotations (N, 3, 3) whose third axis is the unit normal (N, 3)."""
    along_x = normals[:, :1].abs() > 0.9
    x, y = torch.eye(3).to(normals)[:2]
    tangent = torch.nn.functional.normalize(torch.linalg.cross(torch.where(along_x, y, x), normals), dim=1)
    return torch.stack([tangent, torch.linalg.cross(normals, tangent), normals], 2)
