"""What an earlier run finished, however it ended: read from the folders of results.

The index contributes only rows of photos that this run does not list, because it may be missing, lack rows or
hold torn ones.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from fastavatar.app.batch import (
    LINES,
    PhotoTask,
    Row,
    complete_summary,
    is_address,
    read_lines,
    read_rows,
    require_same_settings,
    row_of,
)

log = logging.getLogger(__name__)

_AT_ONCE = 32
"""Summaries that are requested at a time from an address: each takes two requests."""


@dataclass
class EarlierRun:
    """The results of earlier runs that are complete."""

    finished: set[int] = field(default_factory=set)
    """The `key` of each photo whose results are complete."""
    unlisted: list[Row] = field(default_factory=list)
    """Rows of complete results that the index lacks: their run was killed before it wrote the row."""
    model: str | None = None
    """The model that made the results; None where there are none."""


def key(of: PhotoTask | Row) -> int:
    """A 64-bit hash of photo and output folder: small in large sets, with enough bits for millions."""
    return hash((os.path.abspath(of.photo), os.path.abspath(of.output)))


def review(
    folder: Path,
    tasks: Sequence[PhotoTask],
    asked: Mapping[str, Any],
    stopped: Callable[[], bool] = lambda: False,
) -> EarlierRun:
    """Check the results that the index in `folder` and the tasks name, until `stopped`.

    The log says where the index disagrees with the folders. Raises `UsageError` where results were
    made with other settings than `asked`, or by different models; `InputError` where an address cannot be
    read.
    """
    earlier, asked = EarlierRun(), dict(asked)

    def look(named: Iterable[PhotoTask]) -> Iterator[tuple[PhotoTask, Row | None]]:
        for task, row, summary in _checked(named, stopped):
            if row is not None:
                require_same_settings(summary, asked, task.output)
                earlier.model = asked.setdefault("model", row.model)
                earlier.finished.add(key(task))
            yield task, row

    listed = {key(task) for task in tasks}
    rows = (row for row in read_rows(folder) if row.status == "ok")
    done = (PhotoTask(row.photo, row.output) for row in rows)
    lost = [key(task) in listed for task, row in look(done) if row is None]
    for _, row in look(task for task in tasks if key(task) not in earlier.finished):
        if row is not None:
            earlier.unlisted.append(row)
    torn = sum(row is None for row in read_lines(folder))
    _report(torn, redone=sum(lost), lost=len(lost) - sum(lost))
    return earlier


def kept_rows(folder: Path, earlier: EarlierRun, tasks: Iterable[PhotoTask]) -> Iterator[Row]:
    """Rows for the resumed index: those of complete results, and failed ones of photos not in `tasks`."""
    listed = {key(task) for task in tasks}
    seen: set[int] = set()
    for row in read_rows(folder):
        own = key(row)
        done, again = own in earlier.finished, own in listed
        if own not in seen and (done if row.status == "ok" else not (done or again)):
            seen.add(own)
            yield row
    yield from earlier.unlisted


def _checked(
    tasks: Iterable[PhotoTask], stopped: Callable[[], bool]
) -> Iterator[tuple[PhotoTask, Row | None, Mapping[str, Any]]]:
    """Yield each task with its results' row and summary; None and an empty summary if incomplete."""

    def check(task: PhotoTask) -> tuple[PhotoTask, Row | None, Mapping[str, Any]]:
        summary = complete_summary(task.output)
        return task, None if summary is None else row_of(summary, task), summary or {}

    left = iter(tasks)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while not stopped() and (some := list(islice(left, _AT_ONCE))):
            elsewhere = any(is_address(task.output) for task in some)
            yield from threads.map(check, some) if elsewhere else map(check, some)


def _report(torn: int, redone: int, lost: int) -> None:
    if torn:
        log.warning("%d lines of %s are not rows of this program and were dropped", torn, LINES)
    if redone:
        log.warning(
            "%d photos are done again: %s lists them as done, but their results are incomplete", redone, LINES
        )
    if lost:
        log.warning("%d rows were dropped from %s: their results are incomplete or gone", lost, LINES)
