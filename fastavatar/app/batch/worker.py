"""A worker process, which turns the photos that it is sent into results, in three threads.

    tasks ─ reader thread ─▶ photo ─ caller's thread ─▶ avatar ─ writer thread ─▶ row

While one photo is predicted, the next is read and the last is written. Several such processes use several
cores, which the threads of one Python process do not.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

from fastavatar.app.batch import Mode, PhotoTask, Row, failed_row, fill, local_copy, prepare
from fastavatar.app.loading import load_ahead
from fastavatar.errors import DeviceError, FastAvatarError, InputError, out_of_memory

if TYPE_CHECKING:
    from fastavatar.app.pipeline import Pipeline
    from fastavatar.app.settings import Settings
    from fastavatar.core import Photo

log = logging.getLogger(__name__)

AT_ONCE_ON_CUDA = 8
"""How many photos go through the networks in one batch on CUDA."""


@dataclass(frozen=True)
class Ready:
    """The message of a worker whose model is loaded."""

    model: str
    reason: str
    """Why this model was chosen."""
    at_once: int
    """How many photos go through the networks in one batch."""
    gpus: int
    """How many GPUs could have a worker each; 0 when workers use the CPU."""


def work(connection: Connection, settings: "Settings", mode: Mode, log_level: int) -> None:
    """The main function of the process: send `Ready`, then a `Row` for every `PhotoTask` received.

    It ends when it receives None. If the model cannot be loaded, it sends the `FastAvatarError` instead.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)  # the parent decides when to end
    Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("fastavatar").setLevel(log_level)
    _limit_libraries(settings.threads)
    load_ahead()
    try:
        from fastavatar.app.pipeline import Pipeline

        pipeline = Pipeline(settings)
    except FastAvatarError as error:
        connection.send(error)
        return
    except Exception as error:
        if not out_of_memory(error):
            raise
        connection.send(DeviceError("out of memory while the model was loaded: use fewer workers"))
        return
    gpus = _gpus(pipeline.device)
    at_once = AT_ONCE_ON_CUDA if gpus else 1
    connection.send(Ready(pipeline.model, pipeline.model_reason, at_once, gpus))
    work_off(pipeline, iter(connection.recv, None), connection.send, mode, at_once)


def _end_with_parent() -> None:
    """End this process when its parent is killed, so that it does not write into a run that is resumed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _limit_libraries(threads: int | None) -> None:
    """Limit the threads of the libraries under numpy and scipy, which read these variables at import."""
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


def _gpus(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    import torch

    return torch.cuda.device_count() if device == "cuda" else 1


@dataclass
class _InHand:
    """A photo on its way through the steps of a worker."""

    task: PhotoTask
    started: datetime
    value: Any = None
    """What the last step returned: a `Photo`, then an `Avatar`, then the number of its Gaussians."""
    error: Exception | None = None
    seconds: float = 0.0

    def attempt(self, step: Callable[["_InHand"], Any]) -> None:
        """Run one step on this photo, unless an earlier step failed; record its error or its value."""
        if self.error is not None:
            return
        began = time.perf_counter()
        try:
            self.value = step(self)
        except Exception as error:
            log.debug("where:", exc_info=True)
            self.error = error
        self.seconds += time.perf_counter() - began

    def row(self, model: str) -> Row:
        """The outcome as a row of the index."""
        if self.error is not None:
            return failed_row(self.task, self.error, self.seconds, model)
        return Row(self.task.photo, "ok", 0, "", self.value, round(self.seconds, 3), model, self.task.output)


def work_off(
    pipeline: "Pipeline",
    tasks: Iterator[PhotoTask],
    done: Callable[[Row], None],
    mode: Mode = "new",
    at_once: int = 1,
) -> None:
    """Do every task, predicting up to `at_once` photos together; `done` is called with each row.

    An error of one photo becomes that photo's row. Another thread iterates `tasks`, as there is room for
    photos, and a third calls `done`.
    """
    read: Queue[_InHand | None] = Queue(at_once)
    made: Queue[_InHand | None] = Queue(1)

    def read_all() -> None:
        try:
            for task in tasks:
                photo = _InHand(task, datetime.now(UTC))
                photo.attempt(lambda photo: _read(photo.task, mode))
                read.put(photo)
        finally:
            read.put(None)

    def write_all() -> None:
        while (photo := made.get()) is not None:
            photo.attempt(lambda photo: _write(pipeline, photo, mode))
            done(photo.row(pipeline.model))

    reader, writer = Thread(target=read_all, daemon=True), Thread(target=write_all, daemon=True)
    reader.start()
    writer.start()
    try:
        while photos := _up_to(at_once, read):
            if good := [photo for photo in photos if photo.error is None]:
                _predict(pipeline, good)
            for photo in photos:
                made.put(photo)
    finally:
        made.put(None)
        writer.join()


def _read(task: PhotoTask, mode: Mode) -> "Photo":
    from fastavatar.images import load_photo

    prepare(task, mode)
    with local_copy(task.photo) as path:
        try:
            return load_photo(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), task.photo)) from error


def _predict(pipeline: "Pipeline", photos: list[_InHand]) -> None:
    began = time.perf_counter()
    for photo, found in zip(photos, pipeline.predict_many([photo.value for photo in photos]), strict=True):
        photo.value, photo.error = (None, found) if isinstance(found, Exception) else (found, None)
    for photo in photos:
        photo.seconds += (time.perf_counter() - began) / len(photos)


def _write(pipeline: "Pipeline", photo: _InHand, mode: Mode) -> int:
    fill(photo.task, pipeline, photo.value, mode, photo.started)
    return len(photo.value.gaussians)


def _up_to(count: int, queue: Queue[_InHand | None]) -> list[_InHand]:
    """Wait for the next photo; return it and up to `count` − 1 more that are ready. Empty at the end."""
    found: list[_InHand] = []
    with suppress(Empty):
        while len(found) < count:
            photo = queue.get(block=not found)
            if photo is None:
                queue.put(None)  # for the next call
                break
            found.append(photo)
    return found
