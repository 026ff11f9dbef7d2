"""The optimisation loop: Adam on an objective until steps, seconds or patience run out.

parameters ─▶ objective.loss(step) ─▶ backward ─┬─ finite ──────▶ Adam ─▶ parameters
                                                └─ not finite ──▶ last good parameters, lower learning rates
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fastavatar.errors import FastAvatarError
from fastavatar.optimise import (
    CheckpointFile,
    EarlyStopping,
    Objective,
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

Stopped = Literal[
    "iterations",  # every step was done
    "seconds",  # the time limit was reached
    "early",  # the score on held-out data stopped improving
    "interrupted",  # Ctrl-C
]


@dataclass(frozen=True)
class Progress:
    """The state after a step, for a progress bar."""

    step: int
    """Steps done."""
    steps: int
    """Steps planned."""
    loss: float
    figures: Mapping[str, float]
    """Further figures of this step from the objective, by name."""


@dataclass(frozen=True)
class RunResult:
    """How a run went; the objective's parameters hold its result."""

    steps: int
    """Steps done."""
    best_step: int
    """Number of steps after which the parameters had the values that they have now."""
    seconds: float
    """Wall-clock time."""
    stopped: Stopped
    recoveries: int
    """Number of losses that were not finite."""
    losses: tuple[float, ...]
    """Loss of every step."""


def optimise(
    objective: Objective,
    schedule: Schedule,
    *,
    seconds: float | None = None,
    on_step: Callable[[Progress], None] | None = None,
    checkpoint: CheckpointFile | None = None,
) -> RunResult:
    """Minimise `objective` in place.

    Ctrl-C ends the run and keeps the best parameters so far. With a `checkpoint` the run continues from its
    file where that exists, and writes it at intervals. A run that was stopped and continued gives the same
    result as one that was not.

    Raises `FastAvatarError` when the loss is not finite again after `MAX_RECOVERIES` recoveries, and what
    `read_checkpoint` raises.
    """
    started = time.perf_counter()
    descent = _Descent(objective, schedule)
    if checkpoint is not None and checkpoint.path.exists():
        descent.load(checkpoint)
    stopped: Stopped = "iterations"
    try:
        while descent.step < schedule.iterations:
            if seconds is not None and time.perf_counter() - started > seconds:
                stopped = "seconds"
                break
            if not descent.advance():
                continue
            if on_step is not None:
                done, loss = descent.step, descent.losses[-1]
                on_step(Progress(done, schedule.iterations, loss, objective.figures()))
            stop = descent.should_stop()
            if checkpoint is not None and (stop or checkpoint.due(descent.step)):
                descent.save(checkpoint)
            if stop:
                stopped = "early"
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
        log.warning(
            "interrupted after %d of %d steps: the best so far is kept", descent.step, schedule.iterations
        )
    best_step = descent.finish()
    took = time.perf_counter() - started
    return RunResult(descent.step, best_step, took, stopped, descent.recoveries, tuple(descent.losses))


class _Descent:
    """A run: its parameters, optimiser and history, which is what a checkpoint holds."""

    def __init__(self, objective: Objective, schedule: Schedule) -> None:
        self._objective, self._schedule = objective, schedule
        self._parameters = objective.parameters
        self._last_good = copied(self._parameters)
        self._early_stopping = EarlyStopping(schedule)
        self._optimiser: torch.optim.Adam | None = None
        self._stage = -1
        self._slowdown = 1.0
        self.step, self.recoveries = 0, 0
        self.losses: list[float] = []

    def advance(self) -> bool:
        """Make one step; False where the loss was not finite and the last good parameters were restored."""
        fraction = self.step / self._schedule.iterations
        optimiser = self._optimiser_at(fraction)
        set_rates(optimiser, self._slowdown * self._schedule.final_rate**fraction)
        loss = self._objective.loss(self.step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if not _finite(loss, optimiser):
            self._recover()
            return False
        if self.step % _SNAPSHOT_EVERY == 0:
            self._last_good = copied(self._parameters)  # before the step, as these gave a finite loss
        optimiser.step()
        self.step += 1
        self.losses.append(float(loss.detach()))
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
                "losses": self.losses,
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
        self.losses, self._last_good = state["losses"], state["last_good"]
        restore(self._parameters, state["parameters"])
        self._stage = state["stage"]
        self._optimiser = adam(self._parameters, self._schedule.stages[self._stage], self._schedule.adam)
        self._optimiser.load_state_dict(state["optimiser"])
        early = self._early_stopping
        early.best, early.best_step, early.best_score = state["best"], state["best_step"], state["best_score"]
        early.checks_without_gain = state["checks_without_gain"]
        torch.set_rng_state(state["random"])


def _finite(loss: Tensor, optimiser: torch.optim.Optimizer) -> bool:
    """Whether the loss and every gradient are finite."""
    gradients = [value.grad for group in optimiser.param_groups for value in group["params"]]
    # A sum is not finite where any part of it is not
    parts = [loss.detach(), *(gradient.sum() for gradient in gradients if gradient is not None)]
    return bool(torch.stack(parts).isfinite().all())
