"""What an earlier run finished, killed at whatever moment: a folder is complete, or it is done again."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from fastavatar.app.batch.index import read_rows
from fastavatar.app.batch.rows import Job, Row
from fastavatar.app.batch.storage import is_address, join, names_in, read
from fastavatar.errors import OverwriteError
from fastavatar.results.outputs import SUMMARY


def finished_rows(folder: Path, finished: set[int]) -> Iterator[Row]:
    """Rows of the index in `folder` whose results are there still; the `key` of each goes to `finished`."""
    for row in read_rows(folder):
        own = key(row)
        if row.status == "ok" and own not in finished and _is_there(row.output):
            finished.add(own)
            yield row


def _is_there(output: str) -> bool:
    return is_address(output) or os.path.exists(Path(output) / SUMMARY)  # to ask elsewhere takes too long


def key(of: Job | Row) -> int:
    """Stands for photo and output folder in sets of many: 64 bits, and so good for millions."""
    return hash((os.path.abspath(of.photo), os.path.abspath(of.output)))


def unfinished(
    jobs: Iterator[Job],
    finished: set[int],
    keep: Callable[[Row | None], None],
    since: datetime | None = None,
) -> Iterator[Job]:
    """The jobs that are to be done; `keep` hears of the others, and of the row where the index lacks it.

    `finished` holds the `key` of those the index knows; `since` is as in `finished_row`.
    """
    for job in jobs:
        known = key(job) in finished
        row = None if known else finished_row(job, since)
        if known or row is not None:
            keep(row)
        else:
            yield job


def finished_row(job: Job, since: datetime | None = None) -> Row | None:
    """The row of results that are complete although no index tells so; None where they are not.

    A run that was killed between the last file and its row leaves such results. Those begun before `since` do
    not count.
    """
    try:
        summary = json.loads(_read(job.output))
        named = os.path.abspath(summary["image_path"]) == os.path.abspath(job.photo)
        fresh = since is None or datetime.fromisoformat(summary["started"]) >= since
        complete = named and fresh and _names_in(job.output).issuperset(summary["files"])
        seconds, count, model = sum(summary["seconds"].values()), summary["num_gaussians"], summary["model"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # `InputError` is a ValueError
        return None
    return Row(job.photo, "ok", 0, "", count, round(seconds, 3), model, job.output) if complete else None


def _read(output: str) -> bytes:
    return read(join(output, SUMMARY)) if is_address(output) else (Path(output) / SUMMARY).read_bytes()


def _names_in(output: str) -> set[str]:
    return names_in(output) if is_address(output) else set(os.listdir(output))


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Hold `folder` for this run; raises `OverwriteError` while another one on this machine holds it."""
    place = os.open(folder, os.O_RDONLY)
    try:
        _lock(place, folder)
        yield
    finally:
        os.close(place)


def _lock(place: int, folder: Path) -> None:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, whatever ends it
    except BlockingIOError:
        raise OverwriteError(
            f"another run is writing to {folder}: wait for it, or choose another folder"
        ) from None
