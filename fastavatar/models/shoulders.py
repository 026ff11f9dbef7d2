"""Where a head ends for those who want no shoulders: a smooth cut across the neck, for any model."""

from dataclasses import replace

import torch
from torch import Tensor

from fastavatar.core import Avatar, Gaussians, encode_opacities

_NECK_SLOPE = 0.25
"""How far the line across the neck rises for each metre toward the face; the neck rises to the back."""
_NECK_HALF_M, _SHOULDER_SLOPE = 0.08, 1.0
"""Half the neck's width, and how far the line sinks for each metre beside it, as shoulders do."""
_FADE_FROM_M, _FADE_TO_M = -0.12, -0.15
"""Heights in the head frame between which opacities end. These values and the above were chosen by eye."""
_LEAST_OPACITY = 1 / 255
"""Viewers with 8-bit colours draw nothing of Gaussians with less opacity."""


def without_shoulders(avatar: Avatar) -> Avatar:
    """The avatar's head and neck, cut as by `gaussians_without_shoulders`.

    Gaussians below are removed with their bindings. The latent is removed too, because it would decode to the
    whole bust again.
    """
    gaussians, kept = gaussians_without_shoulders(avatar.gaussians)
    return replace(
        avatar,
        gaussians=gaussians,
        binding=None if avatar.binding is None else avatar.binding.subset(kept),
        latent=None,
    )


def gaussians_without_shoulders(gaussians: Gaussians) -> tuple[Gaussians, Tensor]:
    """Head and neck, and which of the Gaussians (N,) they are; opacities end smoothly over 3 cm of the neck.

    They fade between y = −0.12 m and y = −0.15 m of the head frame where z is 0, higher at the back and
    beside the neck.
    """
    x, y, z = gaussians.means.T
    height = y + _NECK_SLOPE * z - _SHOULDER_SLOPE * (x.abs() - _NECK_HALF_M).clamp_min(0)
    share = ((height - _FADE_TO_M) / (_FADE_FROM_M - _FADE_TO_M)).clamp(0, 1)
    share = share * share * (3 - 2 * share)  # smoothstep
    opacities = gaussians.opacities * share
    faded = encode_opacities(opacities.clamp(_LEAST_OPACITY, 1))
    logits = torch.where(share < 1, faded, gaussians.opacity_logits)
    kept = (share == 1) | (opacities > _LEAST_OPACITY)
    return replace(gaussians, opacity_logits=logits).subset(kept), kept
