"""The optimisation loop: Adam on an objective until steps, seconds or patience run out.

parameters ─▶ objective.loss(step) ─▶ backward ─┬─ finite ──────▶ Adam ─▶ parameters
                                                └─ not finite ──▶ last good parameters, lower learning rates
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from fastavatar.optimise import Across, CheckpointFile, Descent, Objective, Schedule

log = logging.getLogger(__name__)

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
    stop: Callable[[], Stopped | None] | None = None,
    across: Across | None = None,
) -> RunResult:
    """Minimise `objective` in place.

    Ctrl-C ends the run and keeps the best parameters so far. With a `checkpoint` the run continues from its
    file where that exists, and writes it at intervals. A run that was stopped and continued gives the same
    result as one that was not.

    `stop` is asked after every step whether the run should end there, and why; the checkpoint is written
    then. Where several processes run the loop together, `across` averages a loss over them, so that all take
    the same decisions; only one of them has a `checkpoint` that it writes.

    Raises `FastAvatarError` when the loss is not finite again after `MAX_RECOVERIES` recoveries, and what
    `read_checkpoint` raises.
    """
    started = time.perf_counter()
    descent = Descent(objective, schedule, across)
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
            ended: Stopped | None = "early" if descent.should_stop() else None
            ended = ended or (stop() if stop is not None else None)
            last = descent.step == schedule.iterations
            if checkpoint is not None and (ended or last or checkpoint.due(descent.step)):
                descent.save(checkpoint)
            if ended:
                stopped = ended
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
        log.warning(
            "interrupted after %d of %d steps: the best so far is kept", descent.step, schedule.iterations
        )
    best_step = descent.finish()
    took = time.perf_counter() - started
    return RunResult(descent.step, best_step, took, stopped, descent.recoveries, tuple(descent.losses))
