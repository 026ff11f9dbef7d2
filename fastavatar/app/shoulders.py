"""The head without shoulders: faded out across the neck."""

import torch
from torch import Tensor

from fastavatar.core import Gaussians, encode_opacities

_SLOPE = 0.25  # the neck rises to the back
_NECK_HALF_M, _ASIDE_SLOPE = 0.08, 1.0  # beside the neck shoulders rise
_FADE_FROM_M, _FADE_TO_M = -0.12, -0.15
_LEAST_OPACITY = 1 / 255
"""Less than that no viewer draws."""


def without_shoulders(gaussians: Gaussians) -> tuple[Gaussians, Tensor]:
    """The Gaussians, head frame, of head and neck; opacities end smoothly over three centimetres of the neck.

    They fade between y = −0.12 m and y = −0.15 m where z is 0, higher at the back and beside the neck.
    The second result tells which (N,) of the given Gaussians the first M are, in their order.
    """
    x, y, z = gaussians.means.T
    height = y + _SLOPE * z - _ASIDE_SLOPE * (x.abs() - _NECK_HALF_M).clamp_min(0)
    share = ((height - _FADE_TO_M) / (_FADE_FROM_M - _FADE_TO_M)).clamp(0, 1)
    share = share * share * (3 - 2 * share)
    opacities = gaussians.opacities * share
    fading = share < 1
    logits = torch.where(
        fading, encode_opacities(opacities.clamp(_LEAST_OPACITY, 1)), gaussians.opacity_logits
    )
    kept = ~fading | (opacities > _LEAST_OPACITY)
    return Gaussians(**{**gaussians.tensors(), "opacity_logits": logits}).subset(kept), kept
