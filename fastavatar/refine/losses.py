"""How far a render is from a photograph."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.evaluate.metrics import ssim
from fastavatar.evaluate.perceptual import load_lpips
from fastavatar.refine.config import LossWeights

log = logging.getLogger(__name__)

Loss = Callable[[Tensor, Tensor], Tensor]


def photometric_loss(weights: LossWeights, device: torch.device | str) -> tuple[Loss, LossWeights]:
    """Loss () of images (H, W, 3), render then truth, and the weights it really has.

    Where LPIPS is not at hand its weight goes to the other terms in proportion, and the log says so.
    """
    lpips = None
    if weights.lpips > 0:
        try:
            lpips = load_lpips("vgg", device)
        except WeightsError as error:
            log.warning("no LPIPS in the loss, its weight goes to the other terms: %s", error)
            weights = without_lpips(weights)

    def loss(image: Tensor, truth: Tensor) -> Tensor:
        total = weights.l1 * (image - truth).abs().mean()
        if weights.ssim > 0:
            total = total + weights.ssim * (1 - ssim(image, truth))
        if lpips is not None:
            total = total + weights.lpips * lpips(image, truth)
        return total

    return loss, weights


def without_lpips(weights: LossWeights) -> LossWeights:
    """The same total, LPIPS' share spread over the other terms."""
    factor = 1 + weights.lpips / (weights.l1 + weights.ssim)
    return LossWeights(weights.l1 * factor, weights.ssim * factor, 0.0)
