"""What the loop minimises: a loss as a function of named parameters, one step at a time."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

Values = Mapping[str, Tensor]
"""Copies of an objective's parameters at some step, by name."""
Across = Callable[[Tensor], Tensor]
"""A function that averages a loss () over the processes that run a loop together; all get the same number."""


class Objective(Protocol):
    """A loss, the parameters it depends on, and how to report on it."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The tensors that the loop changes in place, by the names that stages give learning rates to.

        A tensor without a rate, such as a buffer of batch normalisation, is kept and restored with them.
        """

    def loss(self, step: int) -> Tensor:
        """() differentiable loss of a step, counted from 0; depends on `step` and the parameters only."""

    def score(self) -> float | None:
        """Score of the parameters on held-out data, higher is better; None where no data are held out."""

    def figures(self) -> Mapping[str, float]:
        """Further figures of the last step, such as its PSNR; called only where a progress bar shows them."""


def copied(parameters: Mapping[str, Tensor]) -> Values:
    """Copies of the parameters, detached, by name."""
    return {name: value.detach().clone() for name, value in parameters.items()}


def restore(parameters: Mapping[str, Tensor], values: Values) -> None:
    """Set the parameters, in place, to `values`."""
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(values[name])
