"""What the loop needs to know of a model: Gaussians that follow from named parameters."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from fastavatar.core import Gaussians

State = Mapping[str, Tensor]
"""The parameters' values at some step."""


class Refinable(Protocol):
    """A model whose parameters the loop may change, in place."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """What may change, by the names that the configuration uses."""

    def gaussians(self) -> Gaussians:
        """The model's Gaussians, differentiable with respect to `parameters`."""

    def penalty(self) -> Tensor:
        """() what to add to the loss whatever the view."""


def state_of(model: Refinable) -> State:
    """A copy of the parameters as they are now."""
    return {name: value.detach().clone() for name, value in model.parameters.items()}


def restore(model: Refinable, state: State) -> None:
    """Put the parameters back to `state`."""
    with torch.no_grad():
        for name, value in model.parameters.items():
            value.copy_(state[name])
