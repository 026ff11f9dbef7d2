"""A run over many photos: list, resume, work off, keep the index."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fastavatar.batch.contact_sheet import write_contact_sheet
from fastavatar.batch.index import LINES, started_index, write_table
from fastavatar.batch.listing import list_photos
from fastavatar.batch.local import run_local
from fastavatar.batch.places import jobs_of, place_of
from fastavatar.batch.resume import finished_row, finished_rows, key, sole_run
from fastavatar.batch.rows import Job, Row
from fastavatar.errors import OverwriteError
from fastavatar.export.atomic import refusals_told
from fastavatar.export.staging import require_folder

if TYPE_CHECKING:
    from fastavatar.pipeline import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What to do with which photos."""

    image: str
    """A folder, a pattern, a list's file, `-` for a list on standard input, or one photo."""
    output_dir: Path
    """Where folders of results and the index go."""
    limit: int | None = None
    """Only so many photos, the first."""
    mode: Literal[
        "new",  # nothing may be there
        "resume",  # what is complete stays, the rest is done
        "force",  # all is done again
    ] = "new"
    workers: int | None = None
    """Worker processes; None leaves it to the engine."""


@dataclass
class Tally:
    """How far a run is."""

    total: int
    """Photos of this run, those of earlier ones included."""
    kept: int = 0
    """Finished by an earlier run."""
    done: int = 0
    """Finished by this one."""
    failed: int = 0
    """Of this run."""

    def count(self, row: Row) -> None:
        """Count a photo of this run."""
        if row.status == "ok":
            self.done += 1
        else:
            self.failed += 1


def run(
    plan: Plan,
    settings: "Settings",
    on_row: Callable[[Row | None, Tally], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Tally:
    """Turn every photo of the plan into a folder of results and a row of the index.

    `on_row` is told of every photo done or failed, and with None of those there were before; once `stopped`,
    those in hand are finished and the run ends. An error of one photo is a row. Raises `InputError` for no
    photos, `OverwriteError` where an index is and the mode is `new` or where another run is at work,
    `FastAvatarError` where nothing can be written or no model be loaded.
    """
    folder = plan.output_dir
    require_folder(folder)
    if plan.mode == "new" and (folder / LINES).exists():
        raise OverwriteError(
            f"{folder} holds the results of a run already ({LINES}): --resume goes on with it, --force "
            "begins again, or choose another folder"
        )
    listing = list_photos(plan.image, str(folder))
    photos = listing.photos[: plan.limit]
    tally = Tally(len(photos))
    for photo in photos:
        place_of(photo, listing.base)  # raises before the work
    with refusals_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    finished: set[int] = set()
    earlier = finished_rows(folder, finished) if plan.mode == "resume" else ()
    with sole_run(folder), started_index(folder, earlier) as append:

        def remaining() -> Iterator[Job]:
            for job in jobs_of(photos, listing.base, str(folder)):
                if plan.mode == "resume":
                    row = None if key(job) in finished else finished_row(job)
                    if row is not None:
                        append(row)
                    if row is not None or key(job) in finished:
                        tally.kept += 1
                        on_row(None, tally)
                        continue
                yield job

        on_row(None, tally)
        engine = run_local(remaining(), settings, plan.workers, plan.mode == "force", stopped)
        try:
            with closing(engine) as rows:
                for row in rows:
                    append(row)
                    tally.count(row)
                    on_row(row, tally)
        finally:
            write_table(folder)
            write_contact_sheet(folder)
    return tally
