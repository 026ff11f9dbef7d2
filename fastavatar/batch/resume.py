"""What an earlier run finished, killed at whatever moment: a folder is complete, or it is done again."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastavatar.batch.index import read_rows
from fastavatar.batch.rows import Job, Row
from fastavatar.errors import OverwriteError
from fastavatar.export.outputs import SUMMARY


def finished_rows(folder: Path, finished: set[int]) -> Iterator[Row]:
    """Rows of the index in `folder` whose results are there still; the `key` of each goes to `finished`."""
    for row in read_rows(folder):
        own = key(row)
        if row.status == "ok" and own not in finished and os.path.exists(Path(row.output) / SUMMARY):
            finished.add(own)
            yield row


def key(of: Job | Row) -> int:
    """Stands for photo and output folder in sets of many: 64 bits, and so good for millions."""
    return hash((os.path.abspath(of.photo), os.path.abspath(of.output)))


def finished_row(job: Job) -> Row | None:
    """The row of results that are complete although no index tells so; None where they are not.

    A run that was killed between the last file and its row leaves such results.
    """
    folder = Path(job.output)
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
        named = os.path.abspath(summary["image_path"]) == os.path.abspath(job.photo)
        complete = named and all((folder / name).is_file() for name in summary["files"])
        seconds, count, model = sum(summary["seconds"].values()), summary["num_gaussians"], summary["model"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Row(job.photo, "ok", 0, "", count, round(seconds, 3), model, job.output) if complete else None


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
