"""Early stopping: the best parameters so far, and whether the score still improves."""

import math
from collections.abc import Mapping

from torch import Tensor

from fastavatar.optimise import Schedule, Values, copied


class EarlyStopping:
    """Follows a score that is better the higher it is."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.best: Values | None = None
        """The parameters of the best score; None before the first check."""
        self.best_step = 0
        """Steps done when they had it."""
        self.best_score = -math.inf
        self.checks_without_gain = 0

    def due(self, step: int) -> bool:
        """Whether the score is to be checked after `step` steps."""
        return self._schedule.patience > 0 and step % self._schedule.check_every == 0

    def update(self, step: int, score: float, parameters: Mapping[str, Tensor]) -> bool:
        """Take the score after `step` steps into account; whether the run should stop."""
        if score > self.best_score:
            self.best, self.best_step, self.best_score = copied(parameters), step, score
            self.checks_without_gain = 0
        else:
            self.checks_without_gain += 1
        return self.checks_without_gain >= self._schedule.patience
