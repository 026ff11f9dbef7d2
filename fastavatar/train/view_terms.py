"""Oriented points beside true surfaces: the mean shape, and the terms that training minimises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.head import MeanShape
from fastavatar.models.views import OrientedPoints
from fastavatar.train import TrueSurface

_ROUNDS = 3
"""Times that points move to the mean of the nearest ones; the third one moves them by 1 mm."""

_FIT_ROUNDS, _FIT_WITHIN_M = 8, 0.03
"""Rounds of a fit to a person, which settles after about six; what lies farther away is hair or a hole."""
_RIDGE = 1e-3
"""Ridge in square metres: a variance of (5 mm)², times 40, as the errors of neighbouring points agree."""


@dataclass(frozen=True)
class ViewsWeights:
    """Weights of the terms of the loss."""

    chamfer: float
    """Mean distance in cm of points to the true surface and back."""
    coarse: float
    """Mean distance in cm of the points before their own corrections from the start fitted to the person."""
    normal: float
    """Mean of 1 − cosine between normals of nearest points, both ways."""
    coverage: float
    """Share of the true surface without a point within reach, with soft edges."""
    color: float
    """Mean absolute difference of a point's colour from that of the nearest true point."""
    reach_mm: float
    """Distance at which a true point is half covered."""


def point_terms(
    found: OrientedPoints, truth: TrueSurface, colors: Tensor, shape: Tensor, chosen: Tensor, reach_m: float
) -> Mapping[str, Tensor]:
    """The terms of the loss, without weights, by the names of `ViewsWeights`.

    `colors` (T, 3) are those wanted of the true points; `shape` (N, 3) is where the points would lie without
    corrections, as `registered` gives it; `chosen` (M,) are the indices of the true points that have to be
    covered. Which points are nearest is taken as given; gradients pass through the distances.
    """
    device = found.points.device
    target, target_normals, target_colors = (
        values.to(device) for values in (truth.points, truth.normals, colors)
    )
    wanted, wanted_normals = target[chosen], target_normals[chosen]
    ahead, back = truth.nearest(found.points).to(device), _nearest(found.points, wanted)
    there, again = _distances(found.points, target[ahead]), _distances(wanted, found.points[back])
    cosines = (found.normals * target_normals[ahead]).sum(1), (found.normals[back] * wanted_normals).sum(1)
    # d² / (d² + r²) (Geman and McClure 1987) counts what is not covered, and falls for every point that nears
    uncovered = (again.square() / (again.square() + reach_m**2)).mean()
    return {
        "chamfer": 100 * (there.mean() + again.mean()),
        "coarse": 100
        * _distances(found.coarse.flatten(0, 1), shape.to(device).repeat(len(found.coarse), 1)).mean(),
        "normal": 2 - cosines[0].mean() - cosines[1].mean(),
        "coverage": uncovered,
        "color": (found.colors - target_colors[ahead]).abs().mean(),
    }


def mean_shape(start: MeanShape, people: Sequence[TrueSurface]) -> MeanShape:
    """`start` moved to the middle of the nearest points of all people's surfaces, a few times over."""
    points, normals = start.points, start.normals
    for _ in range(_ROUNDS):
        nearest = [truth.nearest(points) for truth in people]
        points = torch.stack([one.points[index] for one, index in zip(people, nearest, strict=True)]).mean(0)
        turned = torch.stack([one.normals[index] for one, index in zip(people, nearest, strict=True)]).mean(0)
        # Where surfaces face apart, as within a mouth, the start's own normal is kept
        agree = (turned * normals).sum(1, keepdim=True) > 0
        normals = torch.nn.functional.normalize(torch.where(agree, turned, normals), dim=1)
    return MeanShape(points, normals, start.modes)


def registered(start: MeanShape, truth: TrueSurface, modes: int) -> Tensor:
    """(N, 3) the points of `start`, moved along its first `modes` to fit a surface.

    Iterated closest points: each time the movement that brings points closest to the planes at their nearest
    true points, with a ridge, as coefficients have a standard deviation of 1.
    """
    ways = start.modes[:modes]
    points = start.points
    for _ in range(_FIT_ROUNDS):
        index = truth.nearest(points)
        places, normals = truth.points[index], truth.normals[index]
        near = ((points - places).norm(dim=1) < _FIT_WITHIN_M).to(points)[:, None]
        slopes = torch.einsum("nc,knc->nk", normals, ways) * near
        wanted = ((places - start.points) * normals).sum(1, keepdim=True) * near
        weights = torch.linalg.solve(slopes.T @ slopes + _RIDGE * torch.eye(len(ways)), slopes.T @ wanted)
        points = start.points + torch.einsum("kz,knc->nc", weights, ways)
    return points


def mirror_of(start: MeanShape, shape: Tensor) -> Tensor:
    """(N, 3) where the mirror images of the start's points lie on a person who has them at `shape` (N, 3)."""
    mirrored = start.points * torch.tensor([-1.0, 1, 1])
    partner = _nearest(start.points, mirrored)
    return shape[partner] + mirrored - start.points[partner]


def _nearest(points: Tensor, places: Tensor) -> Tensor:
    """(M,) index of the nearest of points (N, 3) to each of places (M, 3)."""
    tree = cKDTree(points.detach().double().cpu().numpy())
    return torch.from_numpy(np.asarray(tree.query(places.double().cpu().numpy())[1])).to(points.device)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """(N,) distances of points, with a gradient where they meet."""
    return ((a - b).square().sum(1) + 1e-10).sqrt()
