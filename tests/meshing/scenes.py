"""Gaussians that the tests make themselves."""

import math

import numpy as np
import torch

from fastavatar.core import Gaussians
from fastavatar.surfaces import Surface, opaque_discs
from tests.synthetic_capture import fibonacci_directions


def ball(
    center: tuple[float, float, float] = (0.0, 0.0, 0.0), radius_m: float = 0.1, count: int = 1500
) -> Gaussians:
    """Opaque discs on a ball, coloured by direction: red grows along x, green along y, blue along z."""
    directions = fibonacci_directions(count).double().numpy()
    places = np.array(center) + radius_m * directions
    return opaque_discs(Surface(places, directions), 0.5 + 0.4 * directions)


def fog(count: int = 1500, opacity: float = 0.3) -> Gaussians:
    """A cloud of faint Gaussians of 1 cm, 5 cm wide."""
    means = 0.05 * torch.randn(count, 3, generator=torch.Generator().manual_seed(0))
    return Gaussians(
        means,
        torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1),
        torch.full((count, 3), math.log(0.01)),
        torch.full((count,), math.log(opacity / (1 - opacity))),
        torch.zeros(count, 1, 3),
    )
