"""The engine for one machine: worker processes, which get new tasks as they finish earlier ones.

When a worker dies, its unfinished photos are tried again one at a time. A photo whose worker dies
again gets a failed row, so it fails no other photo.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING

from fastavatar.app.batch import Mode, PhotoTask, Ready, Row, clear, failed_row, finished_row, work
from fastavatar.errors import DeviceError, FastAvatarError
from fastavatar.system import processor_count

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings

log = logging.getLogger(__name__)

_LOOK_UP_S = 0.5
"""How often the parent checks whether it was asked to stop."""


def run_local(
    tasks: Sequence[PhotoTask],
    settings: "Settings",
    workers: int | None,
    mode: Mode,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Row]:
    """Do the tasks and yield their rows as they finish; once `stopped`, no new task begins.

    By default there is one worker per core, on CUDA one per GPU, and never more than tasks. Cores are divided
    evenly. Raises `FastAvatarError` where the model cannot be loaded. Closing the generator early leaves
    nothing half-written.
    """
    if not tasks:
        return
    crew = _Crew(tasks, settings, workers, mode)
    try:
        yield from crew.rows(stopped)
    finally:
        crew.dismiss()


@dataclass(eq=False)
class _Worker:
    """A worker process, as seen from the parent."""

    process: SpawnProcess
    connection: Connection
    device: str
    room: int = 0
    """How many tasks the worker may hold; 0 until its model is loaded."""
    in_hand: deque[PhotoTask] = field(default_factory=deque)
    suspects: deque[PhotoTask] = field(default_factory=deque)
    """Unfinished tasks of a worker that died: each is tried alone."""
    suspected: PhotoTask | None = None

    def give(self, task: PhotoTask) -> None:
        self.in_hand.append(task)
        try:
            self.connection.send(task)
        except OSError:
            pass  # the worker is dead, which the next look at its connection shows

    def took(self, row: Row) -> None:
        """Note that the task of `row` is done."""
        self.in_hand = deque(task for task in self.in_hand if task.output != row.output)


class _Crew:
    """The workers of one run."""

    def __init__(
        self, tasks: Sequence[PhotoTask], settings: "Settings", workers: int | None, mode: Mode
    ) -> None:
        cores = settings.threads or processor_count()
        self._left = deque(tasks)
        self._asked = workers
        self._most = len(tasks)
        self._cores = cores
        self._settings = replace(settings, threads=max(1, cores // min(workers or cores, len(tasks))))
        self._mode = mode
        self._since = datetime.now(UTC).replace(microsecond=0)  # as summaries state it
        self._workers: list[_Worker] = []
        self._model: str | None = None

    def rows(self, stopped: Callable[[], bool]) -> Iterator[Row]:
        """Yield the row of every task as it finishes; once `stopped`, tasks not yet begun are dropped."""
        self._hire(self._settings.device)
        while True:
            if stopped():
                self._left.clear()
                for worker in self._workers:
                    worker.suspects.clear()
            for worker in self._workers:
                self._feed(worker)
            if not self._left and not any(worker.in_hand or worker.suspects for worker in self._workers):
                return
            ready = wait([worker.connection for worker in self._workers], _LOOK_UP_S)
            for worker in [worker for worker in self._workers if worker.connection in ready]:
                yield from self._receive(worker)

    def dismiss(self) -> None:
        """Kill all workers, and undo what they had half-written."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()
            for task in worker.in_hand:
                clear(task.output)
        self._workers.clear()

    def _hire(self, device: str) -> _Worker:
        context = get_context("spawn")  # neither threads nor CUDA survive a fork
        ours, theirs = context.Pipe()
        level = logging.DEBUG if log.isEnabledFor(logging.DEBUG) else logging.ERROR
        settings = replace(self._settings, device=device)
        process = context.Process(target=work, args=(theirs, settings, self._mode, level), daemon=True)
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
        while len(worker.in_hand) < worker.room and self._left:
            worker.give(self._left.popleft())

    def _receive(self, worker: _Worker) -> Iterator[Row]:
        try:
            message: Row | Ready | FastAvatarError = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._died(worker)
            return
        if isinstance(message, FastAvatarError):
            raise message
        if isinstance(message, Ready):
            self._set_to_work(worker, message)
            return
        worker.took(message)
        worker.suspected = None
        yield message

    def _set_to_work(self, worker: _Worker, ready: Ready) -> None:
        worker.room = 2 * ready.at_once + 2
        if self._model is not None:
            return
        # The first worker starts alone: it reports the device, and downloads and compiles what all need.
        self._model = ready.model
        log.info("model %s: %s", ready.model, ready.reason)
        count = min(self._asked or ready.gpus or self._cores, self._most)
        for index in range(1, count):
            self._hire(f"cuda:{index % ready.gpus}" if ready.gpus > 1 else worker.device)

    def _died(self, worker: _Worker) -> Iterator[Row]:
        worker.process.join()
        self._workers.remove(worker)
        how = f"signal {-code}" if (code := worker.process.exitcode or 0) < 0 else f"exit code {code}"
        if not worker.room:
            raise DeviceError(f"a worker ended before its model was loaded ({how}): too little memory?")
        suspects = worker.suspects
        for task in worker.in_hand:
            done = finished_row(task, self._since)
            if done is not None:
                yield done
            elif task is worker.suspected:
                clear(task.output)
                yield failed_row(task, DeviceError(f"its worker died ({how}): too little memory?"), 0.0)
            else:
                suspects.appendleft(task)
        log.debug("a worker died (%s)", how)
        self._hire(worker.device).suspects = suspects
