"""Photos through one loaded model, three at a time: one is read, one predicted, one written.

jobs ─ reader thread ─▶ photo ─ caller's thread ─▶ avatar ─ writer thread ─▶ row
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

from fastavatar.app.batch.folders import fill, prepare
from fastavatar.app.batch.rows import Job, Row, failed_row
from fastavatar.app.batch.storage import at_hand
from fastavatar.errors import InputError

if TYPE_CHECKING:
    from fastavatar.app.pipeline import Pipeline
    from fastavatar.core import Photo

log = logging.getLogger(__name__)


@dataclass
class _InHand:
    """A photo on its way."""

    job: Job
    started: datetime
    value: Any = None
    """What the last stage made of it: a `Photo`, an `Avatar`, at last the number of its Gaussians."""
    error: Exception | None = None
    seconds: float = 0.0

    def attempt(self, stage: Callable[["_InHand"], Any]) -> None:
        """Go through a stage, unless an earlier one failed; whatever it raises is this photo's end only."""
        if self.error is not None:
            return
        began = time.perf_counter()
        try:
            self.value = stage(self)
        except Exception as error:
            log.debug("where:", exc_info=True)
            self.error = error
        self.seconds += time.perf_counter() - began

    def row(self, model: str) -> Row:
        """What became of it."""
        if self.error is not None:
            return failed_row(self.job, self.error, self.seconds, model)
        return Row(self.job.photo, "ok", 0, "", self.value, round(self.seconds, 3), model, self.job.output)


def work_off(
    pipeline: "Pipeline",
    jobs: Iterator[Job],
    done: Callable[[Row], None],
    overwrite: bool = False,
    at_once: int = 1,
) -> None:
    """Work off every job, predicting up to `at_once` photos together; `done` hears of each, on a thread.

    An error of one photo is that photo's row. `jobs` is drawn from on another thread, as room comes up.
    """
    read: Queue[_InHand | None] = Queue(at_once)
    made: Queue[_InHand | None] = Queue(1)

    def read_all() -> None:
        try:
            for job in jobs:
                photo = _InHand(job, datetime.now(UTC))
                photo.attempt(lambda photo: _read(photo.job, overwrite))
                read.put(photo)
        finally:
            read.put(None)

    def write_all() -> None:
        while (photo := made.get()) is not None:
            photo.attempt(lambda photo: _write(pipeline, photo, overwrite))
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


def _read(job: Job, overwrite: bool) -> "Photo":
    from fastavatar.images.photo import load_photo

    prepare(job.output, overwrite)
    with at_hand(job.photo) as path:
        try:
            return load_photo(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), job.photo)) from error


def _predict(pipeline: "Pipeline", photos: list[_InHand]) -> None:
    began = time.perf_counter()
    for photo, found in zip(photos, pipeline.predict_many([photo.value for photo in photos]), strict=True):
        photo.value, photo.error = (None, found) if isinstance(found, Exception) else (found, None)
    for photo in photos:
        photo.seconds += (time.perf_counter() - began) / len(photos)


def _write(pipeline: "Pipeline", photo: _InHand, overwrite: bool) -> int:
    fill(photo.job, pipeline, photo.value, overwrite, photo.started)
    return len(photo.value.gaussians)


def _up_to(count: int, queue: Queue[_InHand | None]) -> list[_InHand]:
    """The next photo and up to `count` − 1 that wait behind it; none when there will be no more."""
    found: list[_InHand] = []
    with suppress(Empty):
        while len(found) < count:
            photo = queue.get(block=not found)
            if photo is None:
                queue.put(None)  # for the next call
                break
            found.append(photo)
    return found
