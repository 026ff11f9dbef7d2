"""Neck, shoulders and chest where a capture's points end but its pictures continue.

Captures of heads show the person cut off along one line below the collar: below that line every picture is
white, from any direction. Shoulders beyond the points come from this project's own head template. From the
line a ledge rises toward the back, so that pictures from above end at the line and pictures from below show
nothing under it.
"""

from collections.abc import Sequence

import numpy as np
import torch

from fastavatar.captures import View
from fastavatar.geometry import Array, Bools, Ints
from fastavatar.models.points import SLOPE, CutLine, find_cut_line, fit_shoulders, nearest
from fastavatar.surfaces import Surface

# Extent of the ledge, and of its points' spacing: an adult's chest and shoulders, with room to spare
DEPTH_M = 0.12
HALF_WIDTH_M = 0.18
SPACING_M = 0.005
_EDGE = 0.1  # part of a picture's width in which the line of a shoulder shows how it goes on beyond the edge
_OWN_M = 0.008  # template points nearer than this to the capture's own are left out


def complete_bust(surface: Surface, views: Sequence[View]) -> Surface:
    """The surface with shoulders and ledge; unchanged where no view shows a straight lower edge."""
    line = next((found for view in views if (found := find_cut_line(surface, view))), None)
    if line is None:
        return surface
    shoulders = fit_shoulders(surface)
    distance, _ = nearest(surface.points, shoulders.points)
    shoulders = shoulders.subset(
        (distance > _OWN_M) & (line.height(shoulders.points) > 0) & ~_before_backdrop(shoulders.points, views)
    )
    ledge = _ledge(line)
    return (
        surface.subset(line.height(surface.points) > 0)
        .with_more(shoulders.points, shoulders.normals)
        .with_more(ledge.points, ledge.normals)
    )


def _before_backdrop(points: Array, views: Sequence[View]) -> Bools:
    """Which points (N, 3) any view shows to be backdrop, or would if it were wider: no shoulder is there."""
    found = np.zeros(len(points), bool)
    for view in views:
        person = view.mask.numpy() > 0.5
        height, width = person.shape
        pixels, depth = (values.numpy() for values in view.camera.project(torch.from_numpy(points).float()))
        column, row = np.floor(pixels).astype(np.int64).T
        before = (row >= 0) & (row < height) & (depth > 0)
        shown = before & (column >= 0) & (column < width)
        found |= shown & ~person[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        for beyond, outward in ((column < 0, person), (column >= width, person[:, ::-1])):
            away = np.where(column < 0, -column, column - width + 1)
            found |= before & beyond & (row < _shoulder_row(outward, away))
    return found


def _shoulder_row(person: Bools, away: Ints) -> Array:
    """The row (N,) at which a shoulder goes on `away` (N,) pixels left of a picture of a person (H, W).

    The shoulder's line through the outermost columns, which falls outward or is level; row 0 where the person
    does not reach the edge.
    """
    columns = np.arange(max(2, round(_EDGE * person.shape[1])))
    if not person[:, columns].any(0).all():
        return np.zeros(len(away))
    fall, at_edge = np.polyfit(-columns, person[:, columns].argmax(0), 1)
    return np.asarray(at_edge + max(fall, 0.0) * away)


def _ledge(line: CutLine) -> Surface:
    """Points on the plane that rises from the line toward the back."""
    across, back = np.meshgrid(
        np.arange(-HALF_WIDTH_M, HALF_WIDTH_M, SPACING_M), np.arange(0, DEPTH_M, SPACING_M)
    )
    rise = np.array([0.0, SLOPE, -1.0])
    points = line.origin + across.reshape(-1, 1) * line.along + back.reshape(-1, 1) * rise
    normal = np.cross(-rise, line.along)
    normal *= np.sign(normal[1]) / np.linalg.norm(normal)
    return Surface(points, np.tile(normal, (len(points), 1)))
