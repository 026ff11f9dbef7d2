"""How far a render is from a photograph."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.losses.metrics import ssim
from fastavatar.losses.perceptual import Lpips, load_lpips

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LossWeights:
    """How much each difference between render and photograph counts."""

    l1: float
    """Of the mean absolute difference."""
    ssim: float
    """Of 1 − SSIM."""
    lpips: float
    """Of LPIPS; shared out among the others where its backbone is not at hand."""


@dataclass(frozen=True)
class Loss:
    """A weighted sum of differences."""

    weights: LossWeights
    """The weights it really has."""
    lpips: Lpips | None
    """None where it has no weight or is not at hand."""
    no_lpips: str | None
    """Why LPIPS is not at hand though it was asked for."""

    def __call__(self, image: Tensor, truth: Tensor) -> Tensor:
        """() of two images (H, W, 3), render then truth."""
        total = self.weights.l1 * (image - truth).abs().mean()
        if self.weights.ssim > 0:
            total = total + self.weights.ssim * (1 - ssim(image, truth))
        if self.lpips is not None:
            total = total + self.weights.lpips * self.lpips(image, truth)
        return total


def photometric_loss(weights: LossWeights, device: torch.device | str) -> Loss:
    """The loss with these weights, on `device`.

    Where LPIPS is not at hand its weight goes to the other terms in proportion, and the log says so.
    """
    if weights.lpips == 0:
        return Loss(weights, None, None)
    try:
        return Loss(weights, load_lpips(device=device), None)
    except WeightsError as error:
        log.warning("no LPIPS in the loss, its weight goes to the other terms: %s", error)
        return Loss(without_lpips(weights), None, str(error))


def without_lpips(weights: LossWeights) -> LossWeights:
    """The same total, LPIPS' share spread over the other terms."""
    factor = 1 + weights.lpips / (weights.l1 + weights.ssim)
    return LossWeights(weights.l1 * factor, weights.ssim * factor, 0.0)
