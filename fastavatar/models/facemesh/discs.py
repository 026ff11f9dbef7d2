"""The fitted head as Gaussians: thin opaque discs along its surface, in the photo's colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fastavatar.core import Binding, Gaussians, Mesh, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry import Array, quaternion_wxyz_from_matrix, unit_vectors, vertex_normals
from fastavatar.models.facemesh import (
    NECK,
    TORSO,
    Cut,
    HeadView,
    Mouth,
    SurfacePoints,
    hangs_below,
    inner_lips,
    load_template,
    open_mouth,
    seat_eyeballs,
    seen_between_lips,
    stretch,
    surface_points,
    with_flat_eyes,
    with_hidden,
    without_fade,
)
from fastavatar.rendering import render
from fastavatar.surfaces import DISC_THICKNESS, DISC_WIDTH, Blend, blend, colors_in_view

OPACITY = 0.99
DISC_WIDTH_HIDDEN = 0.95
"""As `DISC_WIDTH`, where no photo shows the surface: wider, as blur does not show and specks would."""
SHARPENING_ROUNDS = 2
SHARPENING_RATE = 0.8
MOST_SHARPENED = 0.15
"""Largest change of a colour by sharpening; detail that would need more is finer than the discs and would
ring."""


@dataclass(frozen=True)
class DressedHead:
    """A fitted head with Gaussians on its surface."""

    gaussians: Gaussians
    mesh: Mesh
    """The head the Gaussians lie on: its torso closed at the cut, its open eyes flat."""
    binding: Binding
    """Where on the mesh each Gaussian is held; those of eyeballs and teeth lie before or behind it."""
    gains: Array
    """(P, 3) factors on the colours of each view, which made their exposures agree."""


def dress(vertices: Array, views: Sequence[HeadView], cut: Cut | None = None) -> DressedHead:
    """Gaussians on the surface of the fitted head (V, 3), head frame, coloured from P views.

    The torso ends at the cut; without one, where it hangs below the person in the views.
    """
    template, points = load_template(), surface_points(fine_eyes=True)
    body = np.isin(points.region, (NECK, TORSO))
    stays = np.ones(len(body), bool)
    if cut is not None:
        vertices, whole = cut.closed(vertices, template.region == TORSO)
        stays = points.at(whole[:, None].astype(np.float64))[:, 0] > 0.5
    vertices = with_flat_eyes(vertices)
    # Means of unit vectors are shorter than 1
    normals = unit_vectors(points.at(vertex_normals(vertices, template.faces)))
    means, normals = seat_eyeballs(points, vertices, points.at(vertices), normals)
    mouth = open_mouth(points, vertices, means, normals)
    means, normals = mouth.means, mouth.normals
    blended = _blend(points, mouth, inner_lips(vertices), [without_fade(view) for view in views])
    seen = blended.seen
    colors = with_hidden(points, blended.colors, seen)
    if cut is None:
        hangs = np.any([hangs_below(means, body, view.camera, view.mask) for view in views], 0)
        kept = ~(hangs & ~seen) if len(views) > 1 else ~hangs
    else:
        kept = stays & ~(body & cut.outside(means))
    spacing = points.spacing * stretch(points, template.vertices, vertices) * mouth.stretch
    gaussians = _discs(spacing, means, normals, colors, seen).subset(torch.from_numpy(kept))
    sharpened = _sharpened(gaussians, blended.shares[:, kept], views, blended.gains)
    mesh = Mesh(
        torch.from_numpy(vertices).float(),
        torch.from_numpy(template.faces),
        regions=torch.from_numpy(template.region),
    )
    binding = Binding(torch.from_numpy(points.corners[kept]), torch.from_numpy(points.weights[kept]).float())
    return DressedHead(sharpened, mesh, binding, blended.gains)


def _blend(points: SurfacePoints, placed: Mouth, lips: Array, views: Sequence[HeadView]) -> Blend:
    """Colours of the points at their places, from all views; `lips` (20, 3) are the rim of the mouth."""
    colors, facing = [], []
    for view in views:
        where = placed.means, placed.normals
        color, cosine, sees = colors_in_view(*where, view.rgb, view.mask, view.camera, placed.depth)
        sees &= (placed.depth == 0) | seen_between_lips(placed.means, lips, view.camera)
        colors.append(color)
        facing.append(np.where(sees, cosine, 0.0))
    return blend(np.stack(colors), np.stack(facing), points.neighbours)


def _discs(spacing: Array, means: Array, normals: Array, colors: Array, seen: NDArray[np.bool_]) -> Gaussians:
    """Discs at means (N, 3) with normals (N, 3) and colours (N, 3), `spacing` (N,) metres apart."""
    # Ellipsoids: wide along both tangents, thin along the third axis, the normal
    width = np.where(seen, DISC_WIDTH, DISC_WIDTH_HIDDEN) * spacing
    scales = np.stack([width, width, DISC_THICKNESS * width], 1)
    return Gaussians(
        torch.from_numpy(means).float(),
        quaternion_wxyz_from_matrix(_frames(torch.from_numpy(normals))).float(),
        encode_scales(torch.from_numpy(scales)).float(),
        encode_opacities(torch.full((len(means),), OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )


def _sharpened(gaussians: Gaussians, shares: Array, views: Sequence[HeadView], gains: Array) -> Gaussians:
    """The discs with colours corrected for their overlap, which blurs them.

    Van Cittert's deconvolution: the difference between view and render at a disc's centre is added to its
    colour, from each view by its share (P, N) of the disc. Two rounds; a third rings.
    """
    pixels = [view.camera.project(gaussians.means.double())[0].numpy() for view in views]
    black, white, reach = encode_colors(torch.tensor([0.0, 1.0, 0.5 + MOST_SHARPENED]))
    low, high = (gaussians.sh - reach).clamp_min(black), (gaussians.sh + reach).clamp_max(white)
    sh = gaussians.sh.clone()
    # Each round: colour ← colour + rate · Σ_views share · (view − render)
    for _ in range(SHARPENING_ROUNDS):
        lack = np.zeros((len(gaussians), 3))
        for view, share, gain, at in zip(views, shares, gains, pixels, strict=True):
            drawn = render(Gaussians(**{**gaussians.tensors(), "sh": sh}), view.camera).image.numpy()
            lacking = np.clip(view.rgb * gain.astype(np.float32), 0, 1) - drawn
            index = np.flatnonzero(share > 0)
            # The centre of the first pixel is at 0.5 in pictures and at 0 in arrays
            places = np.stack([at[index, 1] - 0.5, at[index, 0] - 0.5])
            for c in range(3):
                sampled = map_coordinates(lacking[..., c], places, order=1, mode="nearest")
                lack[index, c] += share[index] * sampled
        step = encode_colors(0.5 + SHARPENING_RATE * torch.from_numpy(lack).float())
        sh = (sh + step[:, None]).clamp(low, high)
    return Gaussians(**{**gaussians.tensors(), "sh": sh})


def _frames(normals: torch.Tensor) -> torch.Tensor:
    """Rotations (N, 3, 3) whose third axis is the unit normal (N, 3)."""
    # Gram–Schmidt from x, or from y where the normal is nearly parallel to x
    along_x = normals[:, :1].abs() > 0.9
    x, y = torch.eye(3).to(normals)[:2]
    tangent = torch.nn.functional.normalize(torch.linalg.cross(torch.where(along_x, y, x), normals), dim=1)
    return torch.stack([tangent, torch.linalg.cross(normals, tangent), normals], 2)
