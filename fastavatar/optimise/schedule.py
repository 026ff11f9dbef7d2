"""The schedule of a run: its stages, their learning rates, and the order of the examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fastavatar.optimise import Plateau


@dataclass(frozen=True)
class AdamSettings:
    """Adam's constants (Kingma and Ba 2015, algorithm 1)."""

    beta1: float
    """Decay of the running mean of the gradients."""
    beta2: float
    """Decay of the running mean of their squares."""
    epsilon: float
    """Term added to the root of the mean of squares."""


@dataclass(frozen=True)
class Stage:
    """A part of a run with learning rates of its own; each stage starts with a new Adam."""

    share: float
    """Share of all steps; the shares of a run's stages sum to 1."""
    learning_rates: Mapping[str, float]
    """Adam's rate at the start, by parameter; a parameter without a rate does not change.

    The rate of a name also holds for every name that continues it after a dot and has no rate of its own.
    """


@dataclass(frozen=True)
class Schedule:
    """How long a run takes, what it changes when, and when it stops."""

    iterations: int
    """Number of steps."""
    final_rate: float
    """Factor that all learning rates reach at the last step, by exponential decay."""
    adam: AdamSettings
    stages: tuple[Stage, ...]
    patience: int = 0
    """Checks of the score without a gain before the run stops; 0 checks nothing."""
    check_every: int = 1
    """Steps between two checks."""
    clip: float = 0.0
    """Largest norm of all gradients together, to which longer ones are shortened; 0 for no limit."""
    plateau: Plateau | None = None
    """When rates are lowered because the loss has stopped falling; None for never."""


class ExampleOrder:
    """The example, of `count`, that each step takes: every round visits each once, in a new random order."""

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
    """Index of the stage that runs after a `fraction` of all steps, 0…1."""
    end = 0.0
    for index, stage in enumerate(stages):
        end += stage.share
        if fraction < end - 1e-9:
            return index
    return len(stages) - 1


def adam(parameters: Mapping[str, Tensor], stage: Stage, settings: AdamSettings) -> torch.optim.Adam:
    """Adam over the parameters that may change in `stage`; the others stop requiring gradients."""
    by_rate: dict[float, list[Tensor]] = {}  # one group a rate: on a GPU torch updates a group at once
    for name, value in parameters.items():
        rate = rate_of(name, stage.learning_rates)
        value.requires_grad_(rate > 0 and value.numel() > 0)
        if value.requires_grad:
            by_rate.setdefault(rate, []).append(value)
    groups = [{"params": values, "lr": rate, "initial_lr": rate} for rate, values in by_rate.items()]
    return torch.optim.Adam(groups, betas=(settings.beta1, settings.beta2), eps=settings.epsilon)


def rate_of(name: str, learning_rates: Mapping[str, float]) -> float:
    """The rate given to `name`, else to the longest dotted prefix of it, else 0."""
    while name not in learning_rates and "." in name:
        name = name.rpartition(".")[0]
    return learning_rates.get(name, 0.0)


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set every learning rate to `factor` times its value at the start of the stage."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor
