"""The photometric loss: a weighted sum of differences between a render and a photograph.

To add a term, write its function in a file of this room and name it in `LossWeights`, in one line.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.losses import Perceptual, load_perceptual, mean_absolute_error, structural_dissimilarity

log = logging.getLogger(__name__)

Difference = Callable[[Tensor, Tensor], Tensor]
"""A function of two images (H, W, 3), the render and the truth, that returns a differentiable number ()."""


def _term(load: Callable[[torch.device | str], Difference]) -> float:
    """A field for the weight of a difference, 0 by default; `load` returns the difference for a device.

    `load` raises `WeightsError` where this machine lacks something that the difference needs.
    """
    weight: float = field(default=0.0, metadata={"load": load})
    return weight


@dataclass(frozen=True)
class LossWeights:
    """The weight of each difference between render and photograph."""

    l1: float = _term(lambda device: mean_absolute_error)
    """Weight of the mean absolute difference."""
    ssim: float = _term(lambda device: structural_dissimilarity)
    """Weight of 1 − SSIM."""
    lpips: float = _term(load_perceptual)
    """Weight of LPIPS, or of its shift-tolerant variant; the other terms share it where neither is there."""
    alpha: float = 0.0
    """Weight of the mean absolute difference between what the Gaussians cover and the view's mask.

    With it, images are compared inside the mask only; without it, over the whole picture, on white.
    """


@dataclass(frozen=True)
class Loss:
    """A weighted sum of differences."""

    weights: LossWeights
    """The weights in use."""
    terms: Mapping[str, Difference]
    """The differences in use, by the names of their weights."""
    missing: Mapping[str, str]
    """Why a term that was asked for is not in use, by its name."""

    @property
    def no_lpips(self) -> str | None:
        """Why LPIPS is not in use though it was asked for, and what takes its place; None otherwise."""
        term = self.terms.get("lpips")
        return term.instead if isinstance(term, Perceptual) else self.missing.get("lpips")

    def __call__(self, image: Tensor, truth: Tensor) -> Tensor:
        """The loss () of two images (H, W, 3), render then truth."""
        total = image.new_zeros(())
        for name, difference in self.terms.items():
            total = total + getattr(self.weights, name) * difference(image, truth)
        return total


def photometric_loss(weights: LossWeights, device: torch.device | str) -> Loss:
    """The loss with these weights, on `device`.

    Where this machine lacks something that a term needs, a stand-in takes its place or the other terms share
    its weight in proportion, and the log says so.
    """
    terms: dict[str, Difference] = {}
    missing: dict[str, str] = {}
    for weight in fields(weights):
        if "load" not in weight.metadata or getattr(weights, weight.name) == 0:
            continue
        try:
            terms[weight.name] = weight.metadata["load"](device)
        except WeightsError as error:
            missing[weight.name] = str(error)
            log.warning(
                "the loss goes without %s, whose weight goes to the other terms: %s",
                weight.name.upper(),
                error,
            )
    perceptual = terms.get("lpips")
    if isinstance(perceptual, Perceptual) and perceptual.instead is not None:
        log.warning("%s", perceptual.instead)
    return Loss(without(weights, *missing), terms, missing)


def without(weights: LossWeights, *terms: str) -> LossWeights:
    """Weights of the same sum in which `terms` have 0 and the other terms share theirs in proportion."""
    given = {name: weight for name, weight in vars(weights).items() if name != "alpha"}
    kept = sum(weight for name, weight in given.items() if name not in terms)
    factor = 1 + sum(given[name] for name in terms) / kept if terms else 1.0
    return replace(
        weights, **{name: 0.0 if name in terms else weight * factor for name, weight in given.items()}
    )
