"""Early stopping: keeps the best parameters so far and notices when the score stops improving."""

import math
from collections.abc import Mapping

from torch import Tensor

from fastavatar.optimise import Schedule, Values, copied


class EarlyStopping:
    """The history of a score, of which higher values are better."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.best: Values | None = None
        """The parameters of the best score; None before the first check."""
        self.best_step = 0
        """Number of steps after which the best score was reached."""
        self.best_score = -math.inf
        self.checks_without_gain = 0

    def due(self, step: int) -> bool:
        """Whether the score should be checked after `step` steps."""
        return self._schedule.patience > 0 and step % self._schedule.check_every == 0

    def update(self, step: int, score: float, parameters: Mapping[str, Tensor]) -> bool:
        """Record the score after `step` steps; True where the run should stop."""
        if score > self.best_score:
            self.best, self.best_step, self.best_score = copied(parameters), step, score
            self.checks_without_gain = 0
        else:
            self.checks_without_gain += 1
        return self.checks_without_gain >= self._schedule.patience
