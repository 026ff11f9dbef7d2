"""Lower learning rates once the loss stops falling."""

from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau


@dataclass(frozen=True)
class Plateau:
    """When all learning rates are lowered, and by how much."""

    factor: float
    """Factor on the rates each time the loss has stopped falling."""
    patience: int
    """Rounds without a lower mean loss before the rates are lowered."""
    every: int
    """Steps of a round, such as an epoch."""


class PlateauRate:
    """The factor on the learning rates, by the rule of torch's `ReduceLROnPlateau`."""

    def __init__(self, plateau: Plateau) -> None:
        self._every = plateau.every
        # Torch's class changes the rates of an optimiser; this one has no other purpose than to hold a rate.
        self._rate = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self._rule = ReduceLROnPlateau(self._rate, factor=plateau.factor, patience=plateau.patience)
        self._sum = 0.0

    @property
    def factor(self) -> float:
        """The factor on the rates at the start of the run."""
        return float(self._rate.param_groups[0]["lr"])

    def update(self, step: int, loss: float) -> None:
        """Take note of the loss of the step after which `step` steps are done."""
        self._sum += loss
        if step % self._every == 0:
            self._rule.step(self._sum / self._every)
            self._sum = 0.0

    def state(self) -> dict[str, float]:
        """What a checkpoint holds of it."""
        return {
            "factor": self.factor,
            "sum": self._sum,
            "best": float(self._rule.best),
            "bad_rounds": float(self._rule.num_bad_epochs),
        }

    def load(self, state: dict[str, float]) -> None:
        """Continue from `state`."""
        self._rate.param_groups[0]["lr"], self._sum = state["factor"], state["sum"]
        self._rule.best, self._rule.num_bad_epochs = state["best"], int(state["bad_rounds"])
