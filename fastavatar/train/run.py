"""Runs a training: the loop of `optimise` on a `Trainee`, in a folder from which a stopped run continues.

RUN/  config.yaml, checkpoint.pt      what is trained, and its state
      log.jsonl, events.out.*         losses and figures; validation/ has pictures
      model/, summary.json            the trained network, written at the end
"""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fastavatar.errors import UsageError
from fastavatar.optimise import CheckpointFile, Progress, RunResult, Schedule, Stage, Stopped, optimise
from fastavatar.system import alone_in, made_folder
from fastavatar.train import (
    CHECKPOINT,
    Process,
    RunLog,
    RunSettings,
    SharedLoss,
    Signals,
    Trainee,
    Validation,
    export_model,
    from_the_first,
    joined,
    mean_of_all,
    require_own,
    write_config,
    write_summary,
)

log = logging.getLogger(__name__)

CHECK_STEPS = 3


def run(
    make_trainee: Callable[[Process], Trainee],
    settings: RunSettings,
    on_step: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Train what `make_trainee` makes, as one of the processes that `torchrun` started or alone.

    Ctrl-C, and the signal by which a scheduler ends a job, end the run after the step; checkpoint and model
    are written, and the run can continue. A run that was killed continues from its last checkpoint and gives
    the same losses as an unbroken one.

    Raises `OverwriteError` for a folder with a run that is not to be continued, `UsageError` for one of other
    settings, and what `make_trainee` and `optimise` raise.
    """
    with joined(settings.device) as process, ExitStack() as held:
        if process.first and not settings.check:
            held.enter_context(made_folder(settings.folder))
            held.enter_context(alone_in(settings.folder, wait_s=0))
            require_own(settings)
        trainee = make_trainee(replace(process, check=settings.check))
        schedule = settings.pace.schedule(trainee.examples, process.count, settings.steps)
        objective = _Shared(trainee, process, settings.pace.seed)
        schedule = replace(schedule, stages=(objective.stage(schedule.stages[0]),))
        if settings.check:
            return _check(trainee, objective, schedule, process)
        if process.first:
            write_config(settings)
        return _trained(trainee, objective, schedule, settings, process, on_step)


def _trained(
    trainee: Trainee,
    objective: "_Shared",
    schedule: Schedule,
    settings: RunSettings,
    process: Process,
    on_step: Callable[[Progress], None] | None,
) -> RunResult:
    """Run the loop; the first process writes what comes of it."""
    pace, folder = settings.pace, settings.folder
    run_log = RunLog(folder, pace.log_every)
    last: list[Validation] = []

    def after(progress: Progress) -> None:
        if process.first:
            run_log.step(progress)
            if on_step is not None:
                on_step(progress)
        if progress.step % pace.validate_every == 0 or progress.step == progress.steps:
            objective.found = _validated(trainee, process)
            if process.first and objective.found is not None:
                last[:] = [objective.found]
                run_log.validation(progress.step, objective.found)

    with Signals() as signals:

        def stop() -> Stopped | None:
            asked = torch.tensor(float(signals.asked), device=process.device)
            return "interrupted" if float(mean_of_all(asked, process)) > 0 else None

        result = optimise(
            objective,
            schedule,
            on_step=after,
            checkpoint=CheckpointFile(folder / CHECKPOINT, pace.save_every, process.first),
            stop=stop,
            across=lambda loss: mean_of_all(loss, process),
        )
    run_log.close()
    if process.first:
        if result.stopped == "interrupted":
            log.warning("interrupted after %d of %d steps", result.steps, schedule.iterations)
        export_model(trainee, folder)
        write_summary(trainee, settings, result, last[0].figures if last else {})
    return result


class _Shared:
    """A trainee as the `Objective` of the loop."""

    def __init__(self, trainee: Trainee, process: Process, seed: int) -> None:
        self._trainee, self._process, self._seed = trainee, process, seed
        self._loss = SharedLoss(trainee, process)
        modules = nn.ModuleDict(dict(trainee.modules))
        self._buffers = dict(modules.named_buffers())
        trained = {name: value for name, value in modules.named_parameters() if value.requires_grad}
        self.parameters: Mapping[str, Tensor] = {**trained, **self._buffers}
        self.found: Validation | None = None

    def stage(self, stage: Stage) -> Stage:
        """The stage in which buffers have no learning rate; raises `UsageError` for rates of no module."""
        names = [*self._trainee.modules]
        unknown = sorted({name.split(".")[0] for name in stage.learning_rates} - {*names})
        if unknown:
            raise UsageError(f"learning_rates name {', '.join(unknown)}; the modules are {', '.join(names)}")
        return replace(stage, learning_rates={**stage.learning_rates, **dict.fromkeys(self._buffers, 0.0)})

    def loss(self, step: int) -> Tensor:
        """() loss of the step, with the random numbers that belong to seed, step and process."""
        torch.manual_seed((self._seed << 40) + step * self._process.count + self._process.rank)
        return self._loss(step)

    def score(self) -> float | None:
        """The score of the last validation, the same in every process."""
        mine = None if self.found is None else self.found.score
        score = from_the_first(float("nan") if mine is None else mine, self._process)
        return None if score != score else score

    def figures(self) -> Mapping[str, float]:
        """The trainee's figures of the last step."""
        return self._trainee.figures()


def _validated(trainee: Trainee, process: Process) -> Validation | None:
    """The trainee's figures on people held out; None in all processes but the first."""
    if not process.first:
        return None
    with torch.no_grad():
        return trainee.validate()


def _check(trainee: Trainee, objective: _Shared, schedule: Schedule, process: Process) -> RunResult:
    """A few steps, a validation and an export that leave nothing; says how long the run would take."""
    times: list[float] = []
    made = optimise(
        objective,
        replace(schedule, iterations=min(CHECK_STEPS, schedule.iterations), patience=0),
        on_step=lambda progress: times.append(time.perf_counter()),
        across=lambda loss: mean_of_all(loss, process),
    )
    if process.first:
        _validated(trainee, process)
        with tempfile.TemporaryDirectory() as folder:
            trainee.export(Path(folder))
        step_s = times[-1] - times[-2] if len(times) > 1 else made.seconds  # the first one compiles
        log.info(
            "it runs: %d examples, losses %s; %d steps of %.3g s are about %.3g h",
            trainee.examples,
            ", ".join(f"{loss:.4g}" for loss in made.losses),
            *(schedule.iterations, step_s, schedule.iterations * step_s / 3600),
        )
    return made
