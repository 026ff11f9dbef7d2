"""A fitted head gets its colours: discs by the views' own pixels where they see it, spread evenly elsewhere.

shell ─▶ points ─ blend ─▶ colours where seen ─ materials ─▶ colours of the rest ─▶ even discs ─┐
  └─ depth buffer of each view ─▶ detail points ─▶ colours of the pixels ─▶ discs by pixels ────┴─▶ sharpened
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.spatial import cKDTree

from fastavatar.core import Binding, Gaussians, Mesh, concatenate
from fastavatar.geometry import Array, Bools, Ints, unit_vectors
from fastavatar.images import HAIR
from fastavatar.models.facemesh import (
    BEYOND,
    FACE,
    NECK,
    STEEPEST,
    TORSO,
    Cut,
    DetailPoints,
    HeadView,
    Mouth,
    OnMesh,
    Shell,
    Volume,
    detail_discs,
    detail_points,
    even_discs,
    expected_materials,
    hangs_below,
    inner_lips,
    make_shell,
    open_mouth,
    seat_eyeballs,
    seen_between_lips,
    seen_materials,
    sharpened,
    with_hidden,
    without_fade,
)
from fastavatar.rendering import Fragments, rasterise_mesh
from fastavatar.surfaces import Blend, blend, colors_in_view

_SAME_M = 0.006
"""A point this much deeper than what a view sees is still what it sees."""
_ASIDE_DEG = 20.0
"""Yaw from which a view shows half of the face from aside; from the front, hair beside the face is there."""
_LEAST_ROOM = 0.75
"""Smallest factor on the size of a disc at the outline."""


@dataclass(frozen=True)
class DressedHead:
    """A fitted head with Gaussians on its surface."""

    gaussians: Gaussians
    mesh: Mesh
    """The surface the Gaussians lie on: its torso closed at the cut, its open eyes flat."""
    binding: Binding
    """Where on the mesh each Gaussian is held; those of eyeballs and teeth lie before or behind it."""
    gains: Array
    """(P, 3) factors on the colours of each view, which made their exposures agree."""


def dress(vertices: Array, volume: Volume, cut: Cut | None, views: Sequence[HeadView]) -> DressedHead:
    """Gaussians on the fitted head (V, 3), head frame, and a volume beyond it, coloured from P views.

    The torso ends at the cut; without one, where it hangs below the person in the views.
    """
    shell = make_shell(vertices, volume, cut)
    placed = _placed(shell, shell.points.at(shell.vertices), shell.point_normals(), shell.points)
    blended = _blend(shell, placed, [without_fade(view) for view in views])
    material = seen_materials(views, placed.means, blended.shares)
    material = expected_materials(shell.points, placed.means, material, blended.seen)
    colors = with_hidden(shell.points, placed.means, blended.colors, blended.seen, material)

    sights = [rasterise_mesh(shell.vertices, shell.faces, view.camera) for view in views]
    layers = [_even(shell, placed, colors, blended, list(zip(views, sights, strict=True)), cut)]
    for index, (view, sight) in enumerate(zip(views, sights, strict=True)):
        points = detail_points(view, sight, shell.vertices, shell.faces)
        layers.append(_detail(shell, _best_seen(points, index, placed, blended), view, blended.gains[index]))
    # The even discs come first and have no view of their own
    source = np.repeat(np.arange(-1, len(views)), [len(layer.discs) for layer in layers])
    gaussians = sharpened(concatenate([layer.discs for layer in layers]), source, views, blended.gains)
    mesh = Mesh(
        torch.from_numpy(shell.vertices).float(),
        torch.from_numpy(shell.faces),
        regions=torch.from_numpy(shell.region),
    )
    binding = Binding(
        torch.from_numpy(np.concatenate([layer.corners for layer in layers])),
        torch.from_numpy(np.concatenate([layer.weights for layer in layers])).float(),
    )
    return DressedHead(gaussians, mesh, binding, blended.gains)


@dataclass(frozen=True)
class _Layer:
    """Discs, and where each is held on the mesh."""

    discs: Gaussians
    corners: Ints
    """(N, 3)"""
    weights: Array
    """(N, 3)"""


def _even(
    shell: Shell,
    placed: Mouth,
    colors: Array,
    blended: Blend,
    seen: Sequence[tuple[HeadView, Fragments]],
    cut: Cut | None,
) -> _Layer:
    """Discs spread evenly over what no view's own pixels cover and nothing cuts off."""
    views = [view for view, _ in seen]
    # In turn: before backdrop, covered by detail, cut off below
    means, kept = _within(shell, placed, seen)
    for view, sight in seen:
        kept &= ~_shown(view, sight, means, placed)
    kept &= shell.stays & ~_cut_off(shell, means, blended.seen, views, cut)
    spacing = shell.spacing * placed.stretch * _room(means, shell.spacing, views)
    discs = even_discs(spacing, means, placed.normals, colors, blended.seen)
    points = shell.points
    return _Layer(discs.subset(torch.from_numpy(kept)), points.corners[kept], points.weights[kept])


def _best_seen(points: DetailPoints, index: int, placed: Mouth, blended: Blend) -> DetailPoints:
    """The detail of a view where it has the largest share in the colour of the nearest point."""
    if len(blended.shares) == 1:
        return points
    nearest = cKDTree(placed.means).query(points.means)[1]
    return points.subset(blended.shares[:, nearest].argmax(0) == index)


def _placed(shell: Shell, means: Array, normals: Array, points: OnMesh) -> Mouth:
    """Points of the shell's mesh, with eyeballs between the lids and the mouth behind the lips."""
    means, normals = seat_eyeballs(points, shell.vertices, means, normals)
    return open_mouth(points, shell.vertices, means, normals)


def _blend(shell: Shell, placed: Mouth, views: Sequence[HeadView]) -> Blend:
    """Colours of the shell's points at their places, from all views."""
    lips, colors, facing = inner_lips(shell.vertices), [], []
    for view in views:
        where = placed.means, placed.normals
        color, cosine, sees = colors_in_view(*where, view.rgb, view.mask, view.camera, placed.depth)
        sees &= ~_is_lock(shell.points.region == FACE, cosine, placed.means, view)
        sees &= (placed.depth == 0) | seen_between_lips(placed.means, lips, view.camera)
        colors.append(color)
        facing.append(np.where(sees, cosine, 0.0))
    return blend(np.stack(colors), np.stack(facing), shell.points.neighbours)


def _within(shell: Shell, placed: Mouth, seen: Sequence[tuple[HeadView, Fragments]]) -> tuple[Array, Bools]:
    """Means (N, 3) with those of head and neck that stand before backdrop moved to the person's outline.

    Returns which points (N,) stay as well: those of torso and volume before backdrop do not. Masks err, so a
    point goes only where more views have it before backdrop than see it on the person.
    """
    means, votes = placed.means, np.zeros(len(placed.means), np.int64)
    for view, sight in seen:
        at, shown, depth = view.cells(means)
        votes += shown & (view.mask[at] < 0.5)
        votes -= shown & (view.mask[at] > 0.5) & (depth - placed.depth < sight.depth[at] + _SAME_M)
    # With one view a single vote decides
    outside = votes > 0
    goes = np.isin(shell.points.region, (TORSO, BEYOND))
    for view, _ in seen:
        at, shown, depth = view.cells(means)
        # Nearest pixel of the person in the view, at the point's own depth
        row, column = distance_transform_edt(view.mask < 0.9, return_distances=False, return_indices=True)
        nearest = np.stack([column[at] + 0.5, row[at] + 0.5], 1)
        moved = view.camera.unproject(torch.from_numpy(nearest), torch.from_numpy(depth)).numpy()
        means = np.where((outside & ~goes & shown & (view.mask[at] < 0.5))[:, None], moved, means)
    return means, ~(outside & goes)


def _room(means: Array, spacing: Array, views: Sequence[HeadView]) -> Array:
    """Factor (N,) on the size of discs at means (N, 3) near a person's outline, so that they end at it."""
    factor = np.ones(len(means))
    for view in views:
        at, shown, depth = view.cells(means)
        # A disc's standard deviation is about 0.9 of the spacing; 1.2 leaves room for its tail
        reach_px = 1.2 * spacing * float(view.camera.K[0, 0]) / depth
        edge_px = distance_transform_edt(view.mask > 0.5)[at]
        factor = np.where(shown, np.minimum(factor, np.clip(edge_px / reach_px, _LEAST_ROOM, 1)), factor)
    return factor


def _shown(view: HeadView, sight: Fragments, means: Array, placed: Mouth) -> Bools:
    """Which points (N,) the view's own pixels cover: it sees them, and not from aside."""
    at, shown, depth = view.cells(means)
    to_camera = unit_vectors(view.camera.center.numpy() - means)
    faces_view = (placed.normals * to_camera).sum(1) > STEEPEST
    near = depth - placed.depth < sight.depth[at] + _SAME_M
    return np.asarray(shown & faces_view & (view.mask[at] > 0.5) & near)


def _cut_off(shell: Shell, means: Array, seen: Bools, views: Sequence[HeadView], cut: Cut | None) -> Bools:
    """Which points (N,) of neck and torso lie below the person in all views."""
    body = np.isin(shell.points.region, (NECK, TORSO))
    if cut is not None:
        return body & cut.outside(means)
    hangs = np.all([hangs_below(means, body, view.camera, view.mask) for view in views], 0)
    return hangs & ~seen if len(views) > 1 else np.asarray(hangs)


def _is_lock(on_face: Bools, facing: Array, means: Array, view: HeadView) -> Bools:
    """Which points (N,) show a lock of hair that stands before the far half of a face seen from aside.

    The lock is not on that skin. `facing` (N,) are cosines between normals and view.
    """
    x, _, z = view.camera.center.numpy()
    aside = abs(np.degrees(np.arctan2(x, z))) > _ASIDE_DEG
    far = on_face & (facing < STEEPEST) & (means[:, 0] * x < 0) & aside
    return np.asarray(far & (view.parts.shares[..., HAIR][view.cells(means).at] > 0.5))


def _detail(shell: Shell, points: DetailPoints, view: HeadView, gain: Array) -> _Layer:
    """Discs of what a view sees, in the colours of its pixels."""
    normals = unit_vectors(points.at(shell.normals))
    facing = (normals * unit_vectors(view.camera.center.numpy() - points.means)).sum(1)
    on_skin = ~_is_lock(shell.region[points.corners[:, 0]] == FACE, facing, points.means, view)
    points = points.subset(on_skin)
    placed = _placed(shell, points.means, normals[on_skin], points)
    pixels = view.camera.project(torch.from_numpy(placed.means))[0].numpy()
    at = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    colors = np.stack([map_coordinates(view.rgb[..., c], at, order=1, mode="nearest") for c in range(3)], 1)
    discs = detail_discs(points, placed.means, placed.normals, np.clip(colors * gain, 0, 1), view)
    return _Layer(discs, points.corners, points.weights)
