"""A fitted head gets its colours: discs by the views' own pixels where they see it, spread evenly elsewhere.

shell ─▶ points ─ blend ─▶ colours where seen ─ materials ─▶ colours of the rest ─▶ even discs ─┐
  └─ depth buffer of each view ─▶ detail points ─▶ colours of the pixels ─▶ discs by pixels ────┴─▶ sharpened
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from fastavatar.core import Binding, Gaussians, HeadParameters, Mesh, concatenate
from fastavatar.geometry import Array, Bools, unit_vectors
from fastavatar.images import HAIR
from fastavatar.models.facemesh import (
    FACE,
    MOST_AT_RIM,
    MOST_SHARPENED,
    STEEPEST,
    DetailPoints,
    Fitted,
    HeadView,
    Layer,
    Seen,
    Shell,
    behind_lids_and_lips,
    covered_ears,
    detail_discs,
    detail_points,
    even_layer,
    expected_materials,
    make_shell,
    seen_materials,
    sharpened,
    with_hidden,
    without_fade,
)
from fastavatar.rendering import ahead, rasterise_mesh, side_by_side
from fastavatar.surfaces import Blend, blend, colors_in_view

_ASIDE_DEG = 20.0
"""Yaw from which a view shows half of the face from aside; from the front, hair beside the face is there."""
_GRAZED, _NEAR_M = 0.3, 0.006
"""Cosine between normal and view below which a view grazes a surface, and how far near even discs are."""


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
    whole = [Seen(view, rasterise_mesh(shell.vertices, shell.faces, view.camera)) for view in views]
    blended = _blend(shell, [Seen(without_fade(seen.view), seen.sight) for seen in whole])
    material = seen_materials(views, shell.means, blended.shares)
    hair = shell.hair[shell.points.corners[:, 0]]
    hair |= covered_ears(shell.points, shell.means, shell.point_normals, views)
    material = expected_materials(shell.points, shell.means, material, blended.seen, hair)
    # One large system of equations; discs find their places meanwhile
    colors = ahead(lambda: with_hidden(shell.points, shell.means, blended.colors, blended.seen, material))

    def layer(index: int) -> Layer:
        if index < 0:
            return even_layer(shell, colors, blended, whole, fitted.cut)
        view, sight = whole[index]
        points = detail_points(view, sight, shell.vertices, shell.faces)
        points = _best_seen(points, index, shell, blended)
        return _detail(shell, colors, points, view, blended.gains[index])

    # The even discs come first and have no view of their own
    sources = np.arange(-1, len(views))
    layers = side_by_side(layer, sources.tolist())
    source = np.repeat(sources, [len(layer.discs) for layer in layers])
    most = np.concatenate([layer.most for layer in layers])
    discs = concatenate([layer.discs for layer in layers])
    gaussians = sharpened(discs, source, most, views, blended.gains)
    binding = Binding(
        torch.from_numpy(np.concatenate([layer.corners for layer in layers])),
        torch.from_numpy(np.concatenate([layer.weights for layer in layers])).float(),
    )
    return DressedHead(gaussians, shell.mesh(), binding, parameters, blended.gains)


def _best_seen(points: DetailPoints, index: int, shell: Shell, blended: Blend) -> DetailPoints:
    """The detail of a view where it has the largest share in the colour of the nearest point."""
    if len(blended.shares) == 1:
        return points
    nearest = shell.tree.query(points.means)[1]
    return points.subset(blended.shares[:, nearest].argmax(0) == index)


def _blend(shell: Shell, seen: Sequence[Seen]) -> Blend:
    """Colours of the shell's points, from all views."""
    colors, facing = [], []
    for one in seen:
        view = one.view
        behind, shows = behind_lids_and_lips(shell, one, view.cells(shell.means))
        color, cosine, sees = colors_in_view(
            shell.means, shell.point_normals, view.rgb, view.mask, view.camera, behind
        )
        sees &= shows & ~_is_lock(shell.points.region == FACE, cosine, shell.means, view)
        colors.append(color)
        facing.append(np.where(sees, cosine, 0.0))
    return blend(np.stack(colors), np.stack(facing), shell.points.neighbours)


def _is_lock(on_face: Bools, facing: Array, means: Array, view: HeadView) -> Bools:
    """Which points (N,) show a lock of hair that stands before the far half of a face seen from aside.

    The lock is not on that skin. `facing` (N,) are cosines between normals and view.
    """
    x, _, z = view.camera.center.numpy()
    aside = abs(np.degrees(np.arctan2(x, z))) > _ASIDE_DEG
    far = on_face & (facing < STEEPEST) & (means[:, 0] * x < 0) & aside
    return np.asarray(far & (view.parts.shares[..., HAIR][view.cells(means).at] > 0.5))


def _detail(
    shell: Shell, even: Callable[[], Array], points: DetailPoints, view: HeadView, gain: Array
) -> Layer:
    """Discs of what a view sees, in the colours of its pixels.

    What it only grazes takes the colours `even()` (N, 3) of the shell's points around: in its own, it would
    be a line, from aside, between what the view shows and what it does not.
    """
    normals = unit_vectors(points.at(shell.normals))
    facing = (normals * unit_vectors(view.camera.center.numpy() - points.means)).sum(1)
    on_skin = ~_is_lock(shell.region[points.corners[:, 0]] == FACE, facing, points.means, view)
    points, normals, facing = points.subset(on_skin), normals[on_skin], facing[on_skin]
    pixels = view.camera.project(torch.from_numpy(points.means))[0].numpy()
    at = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    shown = np.stack([map_coordinates(view.rgb[..., c], at, order=1, mode="nearest") for c in range(3)], 1)
    colors: Array = np.clip(shown.astype(np.float64) * gain, 0, 1)
    # Single wisps, with no even disc near, keep their own colours
    rim = np.flatnonzero(points.beside | (facing < _GRAZED))
    apart_m, nearest = shell.tree.query(points.means[rim], distance_upper_bound=_NEAR_M)
    rim, nearest = rim[np.isfinite(apart_m)], np.asarray(nearest)[np.isfinite(apart_m)]
    colors[rim] = even()[nearest]
    most = np.full(len(colors), MOST_SHARPENED)
    most[rim] = MOST_AT_RIM
    discs = detail_discs(points, points.means, normals, colors, view)
    return Layer(discs, points.corners, points.weights, most)
