"""Gaussians from a capture's points: opaque discs, coloured from the views, which refinement starts from."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from fastavatar.captures import View
from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.geometry import Array, neighbour_graph
from fastavatar.models.points import complete_bust, mirror_of
from fastavatar.surfaces import Surface, colors_in_view, complete_colors, opaque_discs, surface_of

MIN_POINTS = 16
"""Fewer points do not determine normals."""


def start_from_points(points: Tensor, views: Sequence[View]) -> Gaussians:
    """Discs on the surface through points (P, 3), metres, with the colours that `views` show.

    Colours that no view shows are continued over the surface, with the detail of the other half of the head.
    Where the views show the person cut off along a line, shoulders are added down to it.

    Raises `InputError` for too few points, and where no view sees any.
    """
    if len(points) < MIN_POINTS:
        raise InputError(f"a surface needs at least {MIN_POINTS} points, found {len(points)}")
    surface = complete_bust(surface_of(points.double().cpu().numpy()), views)
    colors, weights = seen_colors(surface, views)
    seen = weights > 0
    if not seen.any():
        raise InputError("no input view sees any of the capture's points: are its cameras right?")
    colors = complete_colors(colors, seen, neighbour_graph(surface.points), mirror_of(surface))
    return opaque_discs(surface, colors)


def seen_colors(surface: Surface, views: Sequence[View]) -> tuple[Array, Array]:
    """Mean colours (N, 3) of the points in the views that see them, and the sum (N,) of the views' weights.

    A view's weight is the cosine between normal and direction of view, 0 where it does not see the point.
    """
    total, weights = np.zeros_like(surface.points), np.zeros(len(surface.points))
    for view in views:
        picture = view.image.cpu().numpy(), view.mask.cpu().numpy()
        colors, facing, sees = colors_in_view(surface.points, surface.normals, *picture, view.camera)
        weight = np.where(sees, facing, 0.0)
        total += weight[:, None] * colors
        weights += weight
    return total / np.maximum(weights, 1e-12)[:, None], weights
