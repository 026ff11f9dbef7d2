"""How a run goes: its steps, what may change when, how fast, and in which order examples come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AdamSettings:
    """Adam's constants (Kingma and Ba 2015, algorithm 1)."""

    beta1: float
    """Decay of the running mean of the gradients."""
    beta2: float
    """Decay of the running mean of their squares."""
    epsilon: float
    """Added to the root of the latter."""


@dataclass(frozen=True)
class Stage:
    """A part of a run and what it may change; each stage starts with a new Adam."""

    share: float
    """Share of all steps; the shares of a run's stages sum to 1."""
    learning_rates: Mapping[str, float]
    """Adam's rate at the start, by parameter; parameters without one do not change.

    A name stands for itself and for every name that continues it after a dot, unless that has its own rate.
    """


@dataclass(frozen=True)
class Schedule:
    """The schedule of a run."""

    iterations: int
    """Steps."""
    final_rate: float
    """Factor that all learning rates reach at the last step, by exponential decay."""
    adam: AdamSettings
    stages: tuple[Stage, ...]
    patience: int = 0
    """Checks of the score without a gain before the run stops; 0 checks nothing."""
    check_every: int = 1
    """Steps between two checks."""


class ExampleOrder:
    """Which of `count` examples each step takes: all once a round, every round in a new random order."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._generator = torch.Generator().manual_seed(seed)
        self._order: list[int] = []

    def __getitem__(self, step: int) -> int:
        """Index of the example of step `step`, from 0."""
        while len(self._order) <= step:
            self._order += torch.randperm(self._count, generator=self._generator).tolist()
        return self._order[step]


def stage_at(stages: Sequence[Stage], fraction: float) -> int:
    """Index of the stage that runs when `fraction` of all steps, 0…1, is done."""
    end = 0.0
    for index, stage in enumerate(stages):
        end += stage.share
        if fraction < end - 1e-9:
            return index
    return len(stages) - 1


def adam(parameters: Mapping[str, Tensor], stage: Stage, settings: AdamSettings) -> torch.optim.Adam:
    """Adam over the parameters that may change in `stage`; the others stop requiring gradients."""
    groups = []
    for name, value in parameters.items():
        rate = rate_of(name, stage.learning_rates)
        value.requires_grad_(rate > 0 and value.numel() > 0)
        if value.requires_grad:
            groups.append({"params": [value], "lr": rate, "initial_lr": rate})
    return torch.optim.Adam(groups, betas=(settings.beta1, settings.beta2), eps=settings.epsilon)


def rate_of(name: str, learning_rates: Mapping[str, float]) -> float:
    """The rate given to `name`, else to the longest dotted prefix of it, else 0."""
    while name not in learning_rates and "." in name:
        name = name.rpartition(".")[0]
    return learning_rates.get(name, 0.0)


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set every rate to `factor` times its rate at the start of the stage."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor
