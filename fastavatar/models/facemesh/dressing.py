"""A fitted head gets its colours: discs by the views' own pixels where they see it, spread evenly elsewhere.

shell ─▶ points ─ blend ─▶ colours where seen ─ materials ─▶ colours of the rest ─▶ even discs ─┐
  └─ depth buffer of each view ─▶ detail points ─▶ colours of the pixels ─▶ discs by pixels ────┴─▶ sharpened
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.spatial import cKDTree

from fastavatar.core import Binding, Gaussians, HeadParameters, Mesh, concatenate
from fastavatar.geometry import Array, Bools, Ints, unit_vectors
from fastavatar.images import HAIR
from fastavatar.models.facemesh import (
    BEYOND,
    EYE,
    FACE,
    MOUTH,
    NECK,
    STEEPEST,
    TEETH,
    TORSO,
    Cut,
    DetailPoints,
    Fitted,
    HeadView,
    Shell,
    detail_discs,
    detail_points,
    even_discs,
    expected_materials,
    hangs_below,
    make_shell,
    seen_materials,
    sharpened,
    with_hidden,
    without_fade,
)
from fastavatar.rendering import Fragments, rasterise_mesh
from fastavatar.surfaces import Blend, blend, colors_in_view

_SAME_M = 0.006
"""A point this much deeper than what a view sees is still what it sees."""
_SAME_INSIDE_M = 0.001
"""The same for eyes and mouth, which lids and lips cover."""
_BESIDE_M = 0.02
"""A torso's point so far beside the person is not there; nearer ones are errors of its outline."""
_INNER = (EYE, TEETH, MOUTH)
_ASIDE_DEG = 20.0
"""Yaw from which a view shows half of the face from aside; from the front, hair beside the face is there."""
_LEAST_ROOM = 0.75
"""Smallest factor on the size of a disc at the outline."""


@dataclass(frozen=True)
class DressedHead:
    """A fitted head with Gaussians on its surface."""

    gaussians: Gaussians
    mesh: Mesh
    """The surface the Gaussians lie on: the parametric head, ending at the cut, and the volume."""
    binding: Binding
    """Where on the mesh each Gaussian is held."""
    parameters: HeadParameters
    """The parametric head that the mesh follows."""
    gains: Array
    """(P, 3) factors on the colours of each view, which made their exposures agree."""


def dress(fitted: Fitted, parameters: HeadParameters, views: Sequence[HeadView]) -> DressedHead:
    """Gaussians on a fitted head and on what is beyond it, coloured from P views.

    The torso ends at the cut; without one, where it hangs below the person in the views.
    """
    shell = make_shell(*fitted)
    whole = [_Seen(view, rasterise_mesh(shell.vertices, shell.faces, view.camera)) for view in views]
    blended = _blend(shell, [_Seen(without_fade(seen.view), seen.sight) for seen in whole])
    material = seen_materials(views, shell.means, blended.shares)
    material = expected_materials(shell.points, shell.means, material, blended.seen)
    colors = with_hidden(shell.points, shell.means, blended.colors, blended.seen, material)

    layers = [_even(shell, colors, blended, whole, fitted.cut)]
    for index, seen in enumerate(whole):
        points = detail_points(seen.view, seen.sight, shell.vertices, shell.faces)
        layers.append(
            _detail(shell, _best_seen(points, index, shell, blended), seen.view, blended.gains[index])
        )
    # The even discs come first and have no view of their own
    source = np.repeat(np.arange(-1, len(views)), [len(layer.discs) for layer in layers])
    gaussians = sharpened(concatenate([layer.discs for layer in layers]), source, views, blended.gains)
    binding = Binding(
        torch.from_numpy(np.concatenate([layer.corners for layer in layers])),
        torch.from_numpy(np.concatenate([layer.weights for layer in layers])).float(),
    )
    return DressedHead(gaussians, shell.mesh(), binding, parameters, blended.gains)


class _Seen(NamedTuple):
    """A view, and what it shows of the shell's mesh."""

    view: HeadView
    sight: Fragments


@dataclass(frozen=True)
class _Layer:
    """Discs, and where each is held on the mesh."""

    discs: Gaussians
    corners: Ints
    """(N, 3)"""
    weights: Array
    """(N, 3)"""


def _even(shell: Shell, colors: Array, blended: Blend, seen: Sequence[_Seen], cut: Cut | None) -> _Layer:
    """Discs spread evenly over what no view's own pixels cover and nothing cuts off."""
    views = [view for view, _ in seen]
    # In turn: before backdrop, covered by detail, cut off below
    means, kept = _within(shell, seen)
    for one in seen:
        kept &= ~_shown(shell, one, means)
    kept &= shell.stays & ~_cut_off(shell, means, blended.seen, views, cut)
    spacing = shell.spacing * _room(means, shell.spacing, views)
    discs = even_discs(spacing, means, shell.point_normals, colors, blended.seen)
    discs = discs.subset(torch.from_numpy(kept))
    points = shell.points
    return _Layer(discs, points.corners[kept], points.weights[kept])


def _best_seen(points: DetailPoints, index: int, shell: Shell, blended: Blend) -> DetailPoints:
    """The detail of a view where it has the largest share in the colour of the nearest point."""
    if len(blended.shares) == 1:
        return points
    nearest = cKDTree(shell.means).query(points.means)[1]
    return points.subset(blended.shares[:, nearest].argmax(0) == index)


def _blend(shell: Shell, seen: Sequence[_Seen]) -> Blend:
    """Colours of the shell's points, from all views."""
    colors, facing = [], []
    for one in seen:
        view = one.view
        behind, shows = _behind_lids_and_lips(shell, one, shell.means)
        color, cosine, sees = colors_in_view(
            shell.means, shell.point_normals, view.rgb, view.mask, view.camera, behind
        )
        sees &= shows & ~_is_lock(shell.points.region == FACE, cosine, shell.means, view)
        colors.append(color)
        facing.append(np.where(sees, cosine, 0.0))
    return blend(np.stack(colors), np.stack(facing), shell.points.neighbours)


def _behind_lids_and_lips(shell: Shell, seen: _Seen, means: Array) -> tuple[Array, Bools]:
    """How far (N,) eyes and mouth lie behind what a view shows there, metres, and which (N,) it can show.

    Lids and lips are thinner than `_SAME_M`, by which the depths of other points are compared.
    """
    at, _, depth = seen.view.cells(means)
    inner = np.isin(shell.points.region, _INNER)
    # Infinite depths stand where the view shows no mesh
    behind = np.where(inner, np.clip(depth - np.minimum(seen.sight.depth[at], 1e6), 0, None), 0)
    return behind, ~inner | (behind < _SAME_INSIDE_M)


def _within(shell: Shell, seen: Sequence[_Seen]) -> tuple[Array, Bools]:
    """Means (N, 3) with those that stand before backdrop moved to the person's outline.

    Returns which points (N,) stay as well: those of the volume, and of a torso far beside the person, do not.
    Masks err, so a point goes only where more views have it before backdrop than see it on the person.
    """
    means, votes = shell.means, np.zeros(len(shell.means), np.int64)
    for view, sight in seen:
        at, shown, depth = view.cells(means)
        votes += shown & (view.mask[at] < 0.5)
        votes -= shown & (view.mask[at] > 0.5) & (depth < sight.depth[at] + _SAME_M)
    # With one view a single vote decides
    outside = votes > 0
    goes = shell.points.region == BEYOND
    for view, _ in seen:
        at, shown, depth = view.cells(means)
        # Nearest pixel of the person in the view, at the point's own depth
        apart, (row, column) = distance_transform_edt(view.mask < 0.9, return_indices=True)
        goes |= (shell.points.region == TORSO) & (apart[at] * view.metres_per_px > _BESIDE_M)
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


def _shown(shell: Shell, seen: _Seen, means: Array) -> Bools:
    """Which points (N,) the view's own pixels cover: it sees them, and not from aside."""
    view, sight = seen
    at, shown, depth = view.cells(means)
    to_camera = unit_vectors(view.camera.center.numpy() - means)
    faces_view = (shell.point_normals * to_camera).sum(1) > STEEPEST
    near = (depth < sight.depth[at] + _SAME_M) & _behind_lids_and_lips(shell, seen, means)[1]
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
    points, normals = points.subset(on_skin), normals[on_skin]
    pixels = view.camera.project(torch.from_numpy(points.means))[0].numpy()
    at = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    colors = np.stack([map_coordinates(view.rgb[..., c], at, order=1, mode="nearest") for c in range(3)], 1)
    discs = detail_discs(points, points.means, normals, np.clip(colors * gain, 0, 1), view)
    return _Layer(discs, points.corners, points.weights)
