"""A run over many photos: list, resume, work off, keep the index."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastavatar.app.batch.contact_sheet import write_contact_sheet
from fastavatar.app.batch.home import index_folder, require_no_index
from fastavatar.app.batch.index import started_index, write_table
from fastavatar.app.batch.listing import list_photos
from fastavatar.app.batch.local import run_local
from fastavatar.app.batch.places import jobs_of, place_of
from fastavatar.app.batch.resume import finished_rows, unfinished
from fastavatar.app.batch.rows import Job, Row

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings


@dataclass(frozen=True)
class Plan:
    """What to do with which photos."""

    image: str
    """A folder, a pattern, a list's file, `-` for a list on standard input, or one photo."""
    output_dir: str
    """Where folders of results and the index go: a folder or an address."""
    limit: int | None = None
    """Only so many photos, the first."""
    mode: Literal[
        "new",  # nothing may be there
        "resume",  # what is complete stays, the rest is done
        "force",  # all is done again
    ] = "new"
    workers: int | None = None
    """Worker processes; None leaves it to the engine."""
    engine: Literal[
        "local",  # processes of this machine
        "ray",  # actors on a Ray cluster
    ] = "local"
    address: str | None = None
    """Of the Ray cluster; None takes one that is there, else starts one on this machine."""


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
    if plan.mode == "new":
        require_no_index(plan.output_dir)
    listing = list_photos(plan.image, plan.output_dir)
    photos = listing.photos[: plan.limit]
    for photo in photos:
        place_of(photo, listing.base)  # raises before the work
    tally = Tally(len(photos))
    finished: set[int] = set()
    with index_folder(plan.output_dir) as folder:
        earlier = finished_rows(folder, finished) if plan.mode == "resume" else ()
        with started_index(folder, earlier) as append:

            def keep(row: Row | None) -> None:
                if row is not None:
                    append(row)
                tally.kept += 1
                on_row(None, tally)

            jobs = jobs_of(photos, listing.base, plan.output_dir)
            left = unfinished(jobs, finished, keep) if plan.mode == "resume" else jobs
            on_row(None, tally)
            try:
                with closing(_engine_rows(plan, settings, left, stopped)) as rows:
                    for row in rows:
                        append(row)
                        tally.count(row)
                        on_row(row, tally)
            finally:
                write_table(folder)
                write_contact_sheet(folder, plan.output_dir)
    return tally


def _engine_rows(
    plan: Plan, settings: "Settings", jobs: Iterator[Job], stopped: Callable[[], bool]
) -> Generator[Row]:
    overwrite = plan.mode == "force"
    if plan.engine == "local":
        return run_local(jobs, settings, plan.workers, overwrite, stopped)
    from fastavatar.app.batch.on_ray import run_ray

    return run_ray(jobs, settings, plan.workers, overwrite, stopped, plan.address)
