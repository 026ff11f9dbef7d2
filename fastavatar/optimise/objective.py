"""What the loop minimises: a loss of named parameters, one step at a time."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

Values = Mapping[str, Tensor]
"""Copies of an objective's parameters at some step, by name."""


class Objective(Protocol):
    """Anything that has parameters and a loss."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The tensors that the loop may change, in place, by the names that learning rates are given to."""

    def loss(self, step: int) -> Tensor:
        """() the loss of step `step`, from 0, differentiable; the same step gives the same loss again."""

    def score(self) -> float | None:
        """How good the parameters are on data held out, higher is better; None where none is held out."""

    def figures(self) -> Mapping[str, float]:
        """Figures of the last loss for a progress bar, such as its PSNR; called only where one is shown."""


def copied(parameters: Mapping[str, Tensor]) -> Values:
    """The parameters as they are now, sharing no memory with them."""
    return {name: value.detach().clone() for name, value in parameters.items()}


def restore(parameters: Mapping[str, Tensor], values: Values) -> None:
    """Set the parameters, in place, to `values`."""
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(values[name])
