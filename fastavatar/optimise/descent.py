"""A run of the optimisation loop: its parameters, optimiser and history, which is what a checkpoint holds."""

import logging
from array import array

import torch
from torch import Tensor

from fastavatar.errors import FastAvatarError
from fastavatar.optimise import (
    Across,
    CheckpointFile,
    EarlyStopping,
    Objective,
    PlateauRate,
    Schedule,
    adam,
    copied,
    read_checkpoint,
    restore,
    set_rates,
    stage_at,
    write_checkpoint,
)

log = logging.getLogger(__name__)

MAX_RECOVERIES = 3
"""Number of losses that are not finite before a run ends with an error: its rates are far too high."""
_SNAPSHOT_EVERY = 10  # steps: as many as a recovery loses at most; a copy costs far less than a step
_RECOVERY_FACTOR = 0.3  # factor on the learning rates after each recovery; chosen by trying, not sensitive


class Descent:
    """A run: its parameters, optimiser and history, which is what a checkpoint holds."""

    def __init__(self, objective: Objective, schedule: Schedule, across: Across | None = None) -> None:
        self._objective, self._schedule, self._across = objective, schedule, across
        self._parameters = objective.parameters
        self._last_good = copied(self._parameters)
        self._early_stopping = EarlyStopping(schedule)
        self._plateau = None if schedule.plateau is None else PlateauRate(schedule.plateau)
        self._optimiser: torch.optim.Adam | None = None
        self._stage = -1
        self._slowdown = 1.0
        self.step, self.recoveries = 0, 0
        self.losses = array("d")  # eight bytes a step: a long training takes millions

    def advance(self) -> bool:
        """Make one step; False where the loss was not finite and the last good parameters were restored."""
        fraction = self.step / self._schedule.iterations
        optimiser = self._optimiser_at(fraction)
        lowered = 1.0 if self._plateau is None else self._plateau.factor
        set_rates(optimiser, lowered * self._slowdown * self._schedule.final_rate**fraction)
        loss = self._objective.loss(self.step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        reached = loss.detach() if self._across is None else self._across(loss.detach())
        if not _finite(reached, optimiser, self._schedule.clip):
            self._recover()
            return False
        if self.step % _SNAPSHOT_EVERY == 0:
            self._last_good = copied(self._parameters)  # before the step, as these gave a finite loss
        optimiser.step()
        self.step += 1
        self.losses.append(float(reached))
        if self._plateau is not None:
            self._plateau.update(self.step, self.losses[-1])
        return True

    def should_stop(self) -> bool:
        """Whether the score is due for a check and has stopped improving."""
        if not self._early_stopping.due(self.step):
            return False
        with torch.no_grad():
            score = self._objective.score()
        return score is not None and self._early_stopping.update(self.step, score, self._parameters)

    def finish(self) -> int:
        """Set the parameters to the best ones; return the number of steps after which they were reached."""
        if self._early_stopping.best is not None:
            restore(self._parameters, self._early_stopping.best)
            return self._early_stopping.best_step
        if not all(bool(value.isfinite().all()) for value in self._parameters.values()):
            restore(self._parameters, self._last_good)
        return self.step

    def _optimiser_at(self, fraction: float) -> torch.optim.Adam:
        """Adam of the current stage: a new one when a stage begins and after a recovery."""
        stage = stage_at(self._schedule.stages, fraction)
        if stage != self._stage or self._optimiser is None:
            self._stage = stage
            self._optimiser = adam(self._parameters, self._schedule.stages[stage], self._schedule.adam)
        return self._optimiser

    def _recover(self) -> None:
        self.recoveries += 1
        if self.recoveries > MAX_RECOVERIES:
            raise FastAvatarError(
                f"the optimisation does not converge: step {self.step} is not finite after {MAX_RECOVERIES} "
                "recoveries; try lower learning rates"
            )
        restore(self._parameters, self._last_good)
        self._slowdown *= _RECOVERY_FACTOR
        self._optimiser = None  # its running means may not be finite
        log.warning("step %d is not finite: back to the last good state, slower", self.step)

    def save(self, checkpoint: CheckpointFile) -> None:
        """Write the state of the run to the checkpoint's file."""
        assert self._optimiser is not None
        early = self._early_stopping
        write_checkpoint(
            checkpoint,
            {
                "step": self.step,
                "recoveries": self.recoveries,
                "slowdown": self._slowdown,
                "losses": torch.tensor(self.losses, dtype=torch.float64),
                "plateau": None if self._plateau is None else self._plateau.state(),
                "stage": self._stage,
                "parameters": copied(self._parameters),
                "last_good": dict(self._last_good),
                "optimiser": self._optimiser.state_dict(),
                "best": None if early.best is None else dict(early.best),
                "best_step": early.best_step,
                "best_score": early.best_score,
                "checks_without_gain": early.checks_without_gain,
                "random": torch.get_rng_state(),
            },
        )

    def load(self, checkpoint: CheckpointFile) -> None:
        """Restore the state of the run from the checkpoint's file."""
        state = read_checkpoint(checkpoint, self._parameters)
        self.step, self.recoveries, self._slowdown = state["step"], state["recoveries"], state["slowdown"]
        self.losses, self._last_good = array("d", state["losses"].tolist()), state["last_good"]
        if self._plateau is not None and state["plateau"] is not None:
            self._plateau.load(state["plateau"])
        restore(self._parameters, state["parameters"])
        self._stage = state["stage"]
        self._optimiser = adam(self._parameters, self._schedule.stages[self._stage], self._schedule.adam)
        self._optimiser.load_state_dict(state["optimiser"])
        early = self._early_stopping
        early.best, early.best_step, early.best_score = state["best"], state["best_step"], state["best_score"]
        early.checks_without_gain = state["checks_without_gain"]
        torch.set_rng_state(state["random"])


def _finite(loss: Tensor, optimiser: torch.optim.Optimizer, clip: float) -> bool:
    """Whether the loss and every gradient are finite; shortens the gradients to the norm `clip` unless 0."""
    changed = [value for group in optimiser.param_groups for value in group["params"]]
    gradients = [value.grad for value in changed if value.grad is not None]
    # A sum or a norm is not finite where any part of it is not
    if clip > 0:
        sums = [torch.nn.utils.clip_grad_norm_(changed, clip)]
    else:
        sums = [gradient.sum() for gradient in gradients]
    return bool(torch.stack([loss, *sums]).isfinite().all())
