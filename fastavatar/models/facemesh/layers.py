"""Discs spread evenly over what no view's own pixels cover, and not before what a view shows as backdrop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from fastavatar.core import Gaussians
from fastavatar.geometry import Array, Bools, Ints, unit_vectors
from fastavatar.models.facemesh import (
    BEYOND,
    EYE,
    FACE,
    MOUTH,
    NECK,
    STEEPEST,
    TEETH,
    TORSO,
    Cells,
    Cut,
    HeadView,
    Shell,
    even_discs,
    hangs_below,
)
from fastavatar.rendering import Fragments
from fastavatar.surfaces import Blend

_SAME_M = 0.006
"""A point this much deeper than what a view sees is still what it sees."""
_SAME_INSIDE_M, _IN_MOUTH_M = 0.001, 0.003
"""The same for eyes and mouth, which lids and lips cover: the mouth is steeper, and lips are thicker."""
_BESIDE_M = 0.02
"""A torso's point so far beside the person is not there; nearer ones are errors of its outline."""
_INNER = (EYE, TEETH, MOUTH)
_INSIDE_PX = 3.0
"""Points nearer to the outline move so far inside: many lie there one behind another, and stick out together.
4 pixels stick out less, and make pictures of photos with fine hair worse."""
_LEAST_ROOM = 0.75
"""Smallest factor on the size of a disc at the outline."""


class Seen(NamedTuple):
    """A view, and what it shows of the shell's mesh."""

    view: HeadView
    sight: Fragments


@dataclass(frozen=True)
class Layer:
    """Discs, and where each is held on the mesh."""

    discs: Gaussians
    corners: Ints
    """(N, 3)"""
    weights: Array
    """(N, 3)"""
    most: Array
    """(N,) largest change of each colour by sharpening."""


def even_layer(
    shell: Shell, colors: Callable[[], Array], blended: Blend, seen: Sequence[Seen], cut: Cut | None
) -> Layer:
    """Discs spread evenly over what no view's own pixels cover and nothing cuts off.

    Their colours are `colors()` (N, 3).
    """
    views = [view for view, _ in seen]
    # In turn: before backdrop, covered by detail, cut off below
    means, kept = _within(shell, seen)
    for one in seen:
        kept &= ~_shown(shell, one, means)
    kept &= shell.stays & ~_cut_off(shell, means, blended.seen, views, cut)
    spacing = shell.points.spacing * _room(means, shell.points.spacing, views)
    discs = even_discs(spacing, means, shell.point_normals, colors(), blended.seen)
    discs = discs.subset(torch.from_numpy(kept))
    points = shell.points
    return Layer(discs, points.corners[kept], points.weights[kept], np.zeros(len(discs)))


def behind_lids_and_lips(shell: Shell, seen: Seen, cells: Cells) -> tuple[Array, Bools]:
    """How far (N,) eyes and mouth lie behind what a view shows there, metres, and which (N,) it can show.

    `cells` are those of the points in the view. Lids and lips are thinner than `_SAME_M`, by which the
    depths of other points are compared.
    """
    at, _, depth = cells
    inner = np.isin(shell.points.region, _INNER)
    # Infinite depths stand where the view shows no mesh
    behind = np.where(inner, np.clip(depth - np.minimum(seen.sight.depth[at], 1e6), 0, None), 0)
    return behind, ~inner | (behind < _SAME_INSIDE_M)


def _within(shell: Shell, seen: Sequence[Seen]) -> tuple[Array, Bools]:
    """Means (N, 3), with those before backdrop, or at the person's outline, moved a little inside it.

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
        person = view.mask > 0.5
        beside_m = distance_transform_edt(~person)[at] * view.metres_per_px
        goes |= (shell.points.region == TORSO) & (beside_m > _BESIDE_M)
        # Nearest pixel well inside, at the point's own depth; what is too thin for one keeps its points
        rim = view.edge_px < _INSIDE_PX
        apart_px, (row, column) = distance_transform_edt(rim, return_indices=True)
        inside = np.stack([column[at] + 0.5, row[at] + 0.5], 1)
        moved = view.camera.unproject(torch.from_numpy(inside), torch.from_numpy(depth)).numpy()
        at_rim = person[at] & rim[at] & (apart_px[at] < 2 * _INSIDE_PX)
        goes_inside = shown & ~goes & (at_rim | (outside & ~person[at]))
        means = np.where(goes_inside[:, None], moved, means)
    return means, ~(outside & goes)


def _room(means: Array, spacing: Array, views: Sequence[HeadView]) -> Array:
    """Factor (N,) on the size of discs at means (N, 3) near a person's outline, so that they end at it."""
    factor = np.ones(len(means))
    for view in views:
        at, shown, depth = view.cells(means)
        # A disc's standard deviation is about 0.9 of the spacing; 1.2 leaves room for its tail
        reach_px = 1.2 * spacing * float(view.camera.K[0, 0]) / depth
        edge_px = view.edge_px[at]
        factor = np.where(shown, np.minimum(factor, np.clip(edge_px / reach_px, _LEAST_ROOM, 1)), factor)
    return factor


def _shown(shell: Shell, seen: Seen, means: Array) -> Bools:
    """Which points (N,) the view's own pixels cover: it sees them, and not from aside."""
    view, sight = seen
    cells = view.cells(means)
    at, shown, depth = cells
    to_camera = unit_vectors(view.camera.center.numpy() - means)
    _, shows = behind_lids_and_lips(shell, seen, cells)
    faces_view = (shell.point_normals * to_camera).sum(1) > STEEPEST
    near = (depth < sight.depth[at] + _SAME_M) & shows
    inside = _before_the_mouth(shell, seen, at, depth)
    return np.asarray(shown & (view.mask[at] > 0.5) & ((faces_view & near) | inside))


def _before_the_mouth(shell: Shell, seen: Seen, at: tuple[Ints, Ints], depth: Array) -> Bools:
    """Which points (N,) of mouth and lips would cover the pixels of an open mouth in another colour.

    They are steep, or hidden just beside the opening. `at` are their pixels, `depth` (N,) their depths.
    """
    shows = np.where(seen.sight.hit, shell.region[shell.faces[seen.sight.face, 0]], FACE)
    opening = np.isin(shows, (TEETH, MOUTH))
    if not opening.any():
        return np.zeros(len(depth), bool)
    # Discs are about as large as the reach, so they spill into the opening from beside it
    apart_px, (row, column) = distance_transform_edt(~opening, return_indices=True)
    reach_px = np.where(shell.points.region == FACE, 0, _IN_MOUTH_M / seen.view.metres_per_px)
    close = (apart_px[at] <= reach_px) & (depth < seen.sight.depth[row[at], column[at]] + _IN_MOUTH_M)
    return np.asarray(close & np.isin(shell.points.region, (FACE, TEETH, MOUTH)))


def _cut_off(shell: Shell, means: Array, seen: Bools, views: Sequence[HeadView], cut: Cut | None) -> Bools:
    """Which points (N,) of neck and torso lie below the person in all views."""
    body = np.isin(shell.points.region, (NECK, TORSO))
    if cut is not None:
        return body & cut.outside(means)
    hangs = np.all([hangs_below(means, body, view) for view in views], 0)
    return hangs & ~seen if len(views) > 1 else np.asarray(hangs)
