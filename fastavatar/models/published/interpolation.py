"""Heads between two people: a straight line in the space of W (paper, identity interpolation)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.models.published.folding import FoldedDecoder


@dataclass(frozen=True)
class End:
    """Where a walk begins or ends."""

    w: Tensor
    """(1, 512) W vector."""
    points: Tensor | None = None
    """(N, 3) the person's points in metres; None takes the mean head's."""


def interpolate(decoder: FoldedDecoder, a: End, b: End, steps: int) -> Iterator[Gaussians]:
    """The heads at `steps` equal distances on the way from `a` to `b`, both included."""
    mean = decoder.decoder.mean_head_points
    from_points, to_points = (mean if end.points is None else end.points for end in (a, b))
    for t in torch.linspace(0, 1, steps).tolist():
        with torch.inference_mode():
            decoded = decoder.decode(torch.lerp(a.w, b.w, t), torch.lerp(from_points, to_points, t))
        yield Gaussians(**{name: value.clone() for name, value in decoded.tensors().items()})
