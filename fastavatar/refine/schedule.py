"""Which view comes next, what may change now, and how fast."""

from collections.abc import Iterator, Mapping, Sequence

import torch

from fastavatar.refine.config import AdamSettings, Stage
from fastavatar.refine.refinable import Refinable


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
