"""What a person has beyond the fitted head: hair that stands off or falls, buns, collars, as one closed mesh.

masks, shares of hair ─▶ loose pixels ─▶ depth and thickness ─┐
                             └─ hair below the ears ─▶ hair behind the neck ───────────────┴─▶ voxels ─▶ mesh

Pixels of the person that no triangle of the head covers are loose, and so is hair that hides the body. They
are inflated by their distance to the outline, as Teddy inflates drawings (Igarashi et al. 1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label

from fastavatar.geometry import Array, Bools, Ints, mean_around
from fastavatar.images import HAIR, SKIN
from fastavatar.models.facemesh import (
    EAR,
    FACE,
    JAW,
    NECK,
    SKULL,
    TORSO,
    HeadTemplate,
    HeadView,
    Voxels,
    fall_behind,
)
from fastavatar.rendering import rasterise_mesh
from fastavatar.surfaces import isosurface

_VOXEL_M = 0.005
_RADIUS_M, _ON_BODY_M = 0.035, 0.018
"""Half thickness far from the outline of what stands off the head, and of hair on the body; chosen by eye."""
_SMOOTH_M = 0.010
"""Standard deviation by which depths are smoothed from pixel to pixel."""
_LEAST_LOOSE_M2 = 2e-4
"""Smaller loose areas are no volume: the detail at the outline covers them."""
_STRAND_M = 0.012
"""Half width of the thinnest hair that lets hair behind the neck be expected."""
_FAR_M = 0.04
_BEHIND_NEAREST_M = (-0.04, 0.15)
"""Clothes this far beside the head and body are at the depth of the shoulders, within these limits."""
_LEAST_VOXELS = 60
_BLUR_VOXELS, _LEVEL = 1.2, 0.4


@dataclass(frozen=True)
class Volume:
    """A closed mesh beside the head's, head frame; no vertices where nothing is loose."""

    vertices: Array
    """(B, 3) metres."""
    faces: Ints
    """(G, 3) counter-clockwise from outside."""
    hair: Bools
    """(B,) which of them bound hair that no view shows."""


_NOTHING = Volume(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros(0, bool))


@dataclass(frozen=True)
class _Loose:
    """The loose pixels of one view."""

    where: Bools
    """(H, W)"""
    middle: Array
    """(H, W) depth of the middle of what is loose, metres; meaningless elsewhere."""
    half: Array
    """(H, W) half of its thickness, metres."""
    hair: Bools
    """(H, W) loose hair."""
    broad_hair: Bools
    """(H, W) that which is more than a strand."""

    def places(self, view: HeadView, where: Bools, offset: float = 0.0) -> Array:
        """(K, 3) the middles of pixels in `where` (H, W), `offset` half thicknesses behind; head frame."""
        rows, columns = np.nonzero(where)
        pixels = torch.from_numpy(np.stack([columns + 0.5, rows + 0.5], 1))
        depth = (self.middle + offset * self.half)[rows, columns]
        return view.camera.unproject(pixels, torch.from_numpy(depth)).numpy()


def volume_beyond(template: HeadTemplate, vertices: Array, views: Sequence[HeadView], torso: Array) -> Volume:
    """The closed mesh of what the views show beyond the head (V, 3), head frame.

    The columns of `torso` (3, 3) are the torso's left, up and front axes.
    """
    loose = [_loose_in(template, vertices, view, torso) for view in views]
    areas = [one.where.sum() * view.metres_per_px**2 for one, view in zip(loose, views, strict=True)]
    if max(areas) < _LEAST_LOOSE_M2:
        return _NOTHING
    grid = _grid_around(loose, template, vertices, views)
    centers = grid.centers()
    # A voxel is filled where a view sees loose thickness around it, and possible where no view sees backdrop
    filled, possible = np.zeros(len(centers), bool), np.ones(len(centers), bool)
    for one, view in zip(loose, views, strict=True):
        at, shown, depth = view.cells(centers)
        filled |= shown & one.where[at] & (np.abs(depth - one.middle[at]) <= one.half[at])
        possible &= ~(shown & (view.mask[at] < 0.5))
    hair, broad = (
        np.concatenate([one.places(view, getattr(one, name)) for one, view in zip(loose, views, strict=True)])
        for name in ("hair", "broad_hair")
    )
    behind = fall_behind(grid, broad, hair, template, vertices)
    shape = behind.shape
    return _surface((filled.reshape(shape) | behind) & possible.reshape(shape), behind, grid)


def _grid_around(
    loose: Sequence[_Loose], template: HeadTemplate, vertices: Array, views: Sequence[HeadView]
) -> Voxels:
    """Voxels around all that is loose, from its front to its back, and around the head's back as far down."""
    ends = [
        one.places(view, one.where, side)
        for one, view in zip(loose, views, strict=True)
        for side in (-1.0, 1.0)
    ]
    around = np.concatenate(ends)
    beside = np.isin(template.region, (SKULL, NECK, TORSO)) & (vertices[:, 1] > around[:, 1].min())
    # The part of neck and torso that lies within the breadth of what is loose
    beside &= (np.abs(vertices[:, 0]) < np.abs(around[:, 0]).max()) | (template.region == SKULL)
    around = np.concatenate([around, vertices[beside]])
    low = around.min(0) - 3 * _VOXEL_M
    count = np.ceil((around.max(0) - low) / _VOXEL_M).astype(int) + 4
    return Voxels(*(low[axis] + (np.arange(count[axis]) + 0.5) * _VOXEL_M for axis in range(3)))


def _loose_in(template: HeadTemplate, vertices: Array, view: HeadView, torso: Array) -> _Loose:
    seen = rasterise_mesh(vertices, template.faces, view.camera)
    region = np.where(seen.hit, template.region[template.faces[seen.face, 0]], -1)
    person, m = view.mask > 0.5, view.metres_per_px
    hair = person & (view.parts.shares[..., HAIR] > 0.5)
    on_body = hair & np.isin(region, (TORSO, NECK))
    # Skin beside the face is the face's own outline: points of the view's pixels cover it
    row, column = distance_transform_edt(~seen.hit, return_distances=False, return_indices=True)
    skin = view.parts.shares.argmax(2) == SKIN
    beside_face = skin & np.isin(region[row, column], (FACE, JAW, EAR))
    where = (person & ~seen.hit & ~beside_face) | on_body
    # Loose pixels continue the depth of the nearest covered one; the face is too far forward
    away = ~np.isin(region, (SKULL, EAR, NECK, TORSO))
    row, column = distance_transform_edt(away, return_distances=False, return_indices=True)
    # Half thickness: round at the outline of the person, and where hair ends before skin or cloth
    from_outline = view.edge_px * m
    from_skin = distance_transform_edt(hair | seen.hit) * m
    half = _circle(np.where(hair, np.minimum(from_outline, from_skin), from_outline), _RADIUS_M)
    in_hair = distance_transform_edt(hair) * m
    half = np.where(on_body, _circle(in_hair, _ON_BODY_M), half)
    # Hair on the body lies on its surface, a little sunk in
    middle = np.where(on_body, seen.depth - 0.6 * half, seen.depth[row, column])
    # Sleeves far from the covered pixels go back to the depth of the shoulders, hair does not
    apart = np.hypot(row - np.arange(len(row))[:, None], column - np.arange(row.shape[1])) * m
    shoulders = _depth_of_plane(view, torso, vertices[template.region == TORSO].mean(0))
    share = np.clip(apart / _FAR_M, 0, 1) * ~hair
    middle += share * np.clip(shoulders - middle, *_BEHIND_NEAREST_M)
    middle = mean_around(middle, where, _SMOOTH_M / m)
    # Morphological opening: hair that holds a disc of the width of a strand
    thick = in_hair > _STRAND_M
    broad = where & hair & (distance_transform_edt(~thick) * m <= _STRAND_M)
    return _Loose(where, middle, half, where & hair, broad)


def _depth_of_plane(view: HeadView, axes: Array, origin: Array) -> Array:
    """Depth (H, W) of the torso's frontal plane, through `origin` (3,) and along two of `axes` (3, 3)."""
    pose = view.camera.world_to_camera.numpy()
    normal, offset = pose[:3, :3] @ axes[:, 2], pose[:3, :3] @ origin + pose[:3, 3]
    rows, columns = np.mgrid[: view.mask.shape[0], : view.mask.shape[1]] + 0.5
    x = (columns - float(view.camera.K[0, 2])) / float(view.camera.K[0, 0])
    y = (rows - float(view.camera.K[1, 2])) / float(view.camera.K[1, 1])
    # n · (z·(x, y, 1)) = n · o
    along = normal[0] * x + normal[1] * y + normal[2]
    return np.asarray(normal @ offset / np.where(np.abs(along) < 1e-3, np.copysign(1e-3, along), along))


def _circle(distance: Array, radius: float) -> Array:
    """Height of a round rim at a distance from its edge: a quarter circle, then flat."""
    inward = radius - np.minimum(distance, radius)
    return np.asarray(np.sqrt(radius**2 - inward**2))


def _surface(filled: Bools, behind: Bools, grid: Voxels) -> Volume:
    """The smoothed surface of filled voxels (X, Y, Z), and which of it bounds those of hair `behind`."""
    pieces, _ = label(filled)
    large = np.bincount(pieces.ravel()) >= _LEAST_VOXELS
    large[0] = False
    kept = np.pad(large[pieces], 3).astype(np.float32)
    # Blurred occupancy has its half level near the voxels' border; a little lower keeps thin hair
    field = gaussian_filter(kept, _BLUR_VOXELS)
    low = np.array([axis[0] for axis in grid])
    vertices, faces = isosurface(_LEVEL - field, low - 3 * _VOXEL_M, _VOXEL_M)
    at = np.clip(np.round((vertices - low) / _VOXEL_M).astype(np.int64), 0, np.array(filled.shape) - 1)
    return Volume(vertices, faces, binary_dilation(behind, iterations=2)[tuple(at.T)])
