"""Which view comes next, what may change now, and how fast."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from fastavatar.optimise.refinable import Refinable


@dataclass(frozen=True)
class AdamSettings:
    """Adam's constants (Kingma and Ba 2015)."""

    beta1: float
    """Decay of the mean of the gradients."""
    beta2: float
    """Decay of the mean of their squares."""
    epsilon: float
    """Added to the root of the latter."""


@dataclass(frozen=True)
class Stage:
    """A part of the run and what it may change; Adam starts afresh with it."""

    share: float
    """Of all steps; the shares of the stages sum to 1."""
    learning_rates: Mapping[str, float]
    """Adam's rate at the start of each parameter that may change; the others are kept.

    A name stands for itself and for all that begin with it and a dot, but for those named themselves.
    """


def view_order(count: int, seed: int) -> Iterator[int]:
    """Indices without end, every view once in each round, rounds in random order."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).tolist()


def stage_at(stages: Sequence[Stage], fraction: float) -> Stage:
    """The stage that runs when `fraction` of all steps, 0…1, is done."""
    end = 0.0
    for stage in stages:
        end += stage.share
        if fraction < end - 1e-9:
            return stage
    return stages[-1]


def adam(model: Refinable, stage: Stage, settings: AdamSettings) -> torch.optim.Adam:
    """Adam over the parameters that may change in `stage`; the others need no gradient from now on."""
    groups = []
    for name, value in model.parameters.items():
        rate = rate_of(name, stage.learning_rates)
        value.requires_grad_(rate > 0 and value.numel() > 0)
        if value.requires_grad:
            groups.append({"params": [value], "lr": rate, "initial_lr": rate})
    return torch.optim.Adam(groups, betas=(settings.beta1, settings.beta2), eps=settings.epsilon)


def rate_of(name: str, learning_rates: Mapping[str, float]) -> float:
    """The rate given for `name`, else for the nearest of the dotted names above it, else 0."""
    while name not in learning_rates and "." in name:
        name = name.rpartition(".")[0]
    return learning_rates.get(name, 0.0)


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Every rate as `factor` times what it was at the start of the stage's optimiser."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor
