"""How far two surfaces are apart, and how their normals and colours differ: whole or as seen by a camera."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.core import Camera, Mesh
from fastavatar.geometry import Array, Bools, unit_vectors
from fastavatar.rendering import rasterise_mesh

POINTS = 10_000
"""Points of each surface that are measured: about 6 mm apart on a bust, so the mean is good to 1 %."""
_DENSER = 5
"""Normals and colours are those of the nearest of so many times as many points."""
_HIDDEN_M = 0.005
"""A point this much deeper than the depth buffer is hidden: more than a pixel's slope, less than a lip."""


@dataclass(frozen=True)
class SurfaceDifference:
    """A surface compared with the true one."""

    chamfer_mm: float
    """Mean of both ways of the distances of points, spread evenly over one surface, from the other."""
    normal_deg: float
    """Mean angle between the true normals and those of the nearest points."""
    color: float | None
    """Mean absolute difference of the colours, 0…1; None where a mesh has none."""


class _Points(NamedTuple):
    places: Array
    normals: Array
    colors: Array | None


def surface_difference(
    found: Mesh, truth: Mesh, camera: Camera | None = None, points: int = POINTS
) -> SurfaceDifference | None:
    """Compare `found` with `truth`, both in one frame, metres; only what `camera` sees of each, if given.

    Points are spread by area, the same at every call. None where the camera sees nothing of one of them.
    """
    ours, theirs = _spread(found, points), _spread(truth, points)
    if camera is not None:
        ours, theirs = (
            _subset(ours, _seen(found, ours, camera)),
            _subset(theirs, _seen(truth, theirs, camera)),
        )
    if not len(ours.places) or not len(theirs.places):
        return None
    to_truth = truth.nearest(torch.from_numpy(ours.places))[0]
    to_found = found.nearest(torch.from_numpy(theirs.places))[0]
    near = _spread(found, _DENSER * points)
    index = cKDTree(near.places).query(theirs.places)[1]
    cosines = (near.normals[index] * theirs.normals).sum(1).clip(-1, 1)
    color = None
    if near.colors is not None and theirs.colors is not None:
        color = float(np.abs(near.colors[index] - theirs.colors).mean())
    return SurfaceDifference(
        500 * float(to_truth.mean() + to_found.mean()), float(np.degrees(np.arccos(cosines)).mean()), color
    )


def _spread(mesh: Mesh, count: int) -> _Points:
    """About `count` points of the surface with the normals of their triangles."""
    sample = mesh.sample(count)
    corners = mesh.vertices.double()[sample.corners]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    colors = None if mesh.colors is None else sample.at(mesh.colors.double()).numpy()
    places: Tensor = torch.einsum("nk,nkc->nc", sample.weights.double(), corners)
    return _Points(places.numpy(), unit_vectors(normals.numpy()), colors)


def _subset(points: _Points, index: Bools) -> _Points:
    colors = None if points.colors is None else points.colors[index]
    return _Points(points.places[index], points.normals[index], colors)


def _seen(mesh: Mesh, points: _Points, camera: Camera) -> Bools:
    """Which points (N,) of the mesh the camera sees, by a depth buffer."""
    buffer = rasterise_mesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), camera).depth
    pixels, depth = camera.to("cpu", torch.float64).project(torch.from_numpy(points.places))
    column, row = pixels.floor().long().unbind(1)
    inside = (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height) & (depth > 0)
    at = row.clamp(0, camera.height - 1), column.clamp(0, camera.width - 1)
    before = depth < torch.from_numpy(buffer)[at] + _HIDDEN_M
    return np.asarray((inside & before).numpy())
