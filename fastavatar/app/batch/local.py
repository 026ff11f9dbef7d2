"""The engine of one machine: worker processes, fed as they get done.

A worker that dies takes no other photo with it: those it had in hand are tried again, one at a time, and the
one that kills again is a failed row.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from fastavatar.app.batch.folders import clear
from fastavatar.app.batch.resume import finished_row
from fastavatar.app.batch.rows import Job, Row, failed_row
from fastavatar.app.batch.worker import Ready, work
from fastavatar.errors import DeviceError, FastAvatarError
from fastavatar.system.processors import processor_count

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings

log = logging.getLogger(__name__)

_LOOK_UP_S = 0.5


def run_local(
    jobs: Iterator[Job],
    settings: "Settings",
    workers: int | None,
    overwrite: bool,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Row]:
    """Work off the jobs and yield their rows as they come; once `stopped`, only those in hand.

    Without a number of workers there is one per core, on CUDA one per GPU; cores are shared out evenly.
    Raises `FastAvatarError` where the model cannot be loaded. When it is closed early nothing half-written
    stays.
    """
    crew = _Crew(jobs, settings, workers, overwrite)
    try:
        yield from crew.rows(stopped)
    finally:
        crew.dismiss()


@dataclass(eq=False)
class _Worker:
    """A worker process as its employer sees it."""

    process: SpawnProcess
    connection: Connection
    device: str
    room: int = 0
    """Jobs it may have in hand; 0 until its model is loaded."""
    in_hand: deque[Job] = field(default_factory=deque)
    suspects: deque[Job] = field(default_factory=deque)
    """What another worker had in hand when it died: each is tried with nothing beside it."""
    suspected: Job | None = None

    def give(self, job: Job) -> None:
        self.in_hand.append(job)
        try:
            self.connection.send(job)
        except OSError:
            pass  # it is dead: the next look at its connection tells

    def took(self, row: Row) -> None:
        """Note that the job of `row` is done."""
        self.in_hand = deque(job for job in self.in_hand if job.output != row.output)


class _Crew:
    """The workers of one run."""

    def __init__(
        self, jobs: Iterator[Job], settings: "Settings", workers: int | None, overwrite: bool
    ) -> None:
        cores = settings.threads or processor_count()
        self._jobs = jobs
        self._exhausted = False
        self._asked = workers
        self._cores = cores
        self._settings = replace(settings, threads=max(1, cores // (workers or cores)))
        self._overwrite = overwrite
        self._since = datetime.now(UTC).replace(microsecond=0)  # as summaries tell it
        self._workers: list[_Worker] = []
        self._model: str | None = None

    def rows(self, stopped: Callable[[], bool]) -> Iterator[Row]:
        """Rows as they come, until there are no more jobs."""
        self._hire(self._settings.device)
        while True:
            if stopped():
                self._exhausted = True
                for worker in self._workers:
                    worker.suspects.clear()
            for worker in self._workers:
                self._feed(worker)
            if self._exhausted and not any(worker.in_hand or worker.suspects for worker in self._workers):
                return
            ready = wait([worker.connection for worker in self._workers], _LOOK_UP_S)
            for worker in [worker for worker in self._workers if worker.connection in ready]:
                yield from self._heard(worker)

    def dismiss(self) -> None:
        """End all workers; what they had in hand is left as it was before."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()
            for job in worker.in_hand:
                clear(job.output)
        self._workers.clear()

    def _hire(self, device: str) -> _Worker:
        context = get_context("spawn")  # neither threads nor CUDA survive a fork
        ours, theirs = context.Pipe()
        level = logging.DEBUG if log.isEnabledFor(logging.DEBUG) else logging.ERROR
        settings = replace(self._settings, device=device)
        process = context.Process(target=work, args=(theirs, settings, self._overwrite, level), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours, device)
        self._workers.append(worker)
        return worker

    def _feed(self, worker: _Worker) -> None:
        if worker.suspected is not None:
            return
        if worker.suspects:
            if worker.room:
                worker.suspected = worker.suspects.popleft()
                worker.give(worker.suspected)
            return
        while len(worker.in_hand) < worker.room and not self._exhausted:
            job = next(self._jobs, None)
            if job is None:
                self._exhausted = True
            else:
                worker.give(job)

    def _heard(self, worker: _Worker) -> Iterator[Row]:
        try:
            message: Row | Ready | FastAvatarError = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._died(worker)
            return
        if isinstance(message, FastAvatarError):
            raise message
        if isinstance(message, Ready):
            self._welcome(worker, message)
            return
        worker.took(message)
        worker.suspected = None
        yield message

    def _welcome(self, worker: _Worker, ready: Ready) -> None:
        worker.room = 2 * ready.at_once + 2
        if self._model is not None:
            return
        # the first: only now is it known on what they work, and nothing remains to be fetched or compiled
        self._model = ready.model
        log.info("model %s: %s", ready.model, ready.reason)
        count = self._asked or ready.gpus or self._cores
        for index in range(1, count):
            self._hire(f"cuda:{index % ready.gpus}" if ready.gpus > 1 else worker.device)

    def _died(self, worker: _Worker) -> Iterator[Row]:
        worker.process.join()
        self._workers.remove(worker)
        how = f"signal {-code}" if (code := worker.process.exitcode or 0) < 0 else f"exit code {code}"
        if not worker.room:
            raise DeviceError(f"a worker ended before its model was loaded ({how}): too little memory?")
        suspects = worker.suspects
        for job in worker.in_hand:
            done = finished_row(job, self._since)
            if done is not None:
                yield done
            elif job is worker.suspected:
                clear(job.output)
                yield failed_row(job, DeviceError(f"its worker died ({how}): too little memory?"), 0.0)
            else:
                suspects.appendleft(job)
        log.debug("a worker died (%s)", how)
        self._hire(worker.device).suspects = suspects
