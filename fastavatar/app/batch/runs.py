"""A run over many photos: list them, skip finished ones, do the rest, keep the index."""

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from fastavatar.app.batch import (
    EarlierRun,
    Mode,
    PhotoTask,
    Row,
    index_folder,
    is_index_name,
    kept_rows,
    key,
    list_photos,
    place_of,
    require_index_place,
    review,
    run_local,
    started_index,
    task_of,
    write_contact_sheet,
    write_table,
)
from fastavatar.errors import UsageError

if TYPE_CHECKING:
    from fastavatar.app.settings import Settings


@dataclass(frozen=True)
class Plan:
    """Which photos to process, where results go, and how."""

    image: str
    """A folder, a pattern, a list file, `-` for a list on standard input, or one photo."""
    output_dir: str
    """Where folders of results and the index go: a folder or an address."""
    limit: int | None = None
    """Process only this many photos, the first ones; None processes all."""
    mode: Mode = "new"
    workers: int | None = None
    """Number of worker processes; None lets the engine choose."""
    engine: Literal[
        "local",  # processes of this machine
        "ray",  # actors on a Ray cluster
    ] = "local"
    address: str | None = None
    """Address of the Ray cluster; None joins a running one, else starts one on this machine."""


@dataclass(frozen=True)
class Work:
    """The tasks of a plan."""

    tasks: list[PhotoTask]
    unreadable: list[str]
    """Folders that could not be searched for photos, each with the reason."""


@dataclass
class Tally:
    """Counts of the photos of a run so far."""

    total: int
    """All photos of the plan, those finished by earlier runs included."""
    kept: int = 0
    """Finished by an earlier run."""
    done: int = 0
    """Finished by this run."""
    failed: int = 0
    """Failed in this run."""

    def count(self, row: Row) -> None:
        """Count the photo of `row` as done or failed."""
        if row.status == "ok":
            self.done += 1
        else:
            self.failed += 1


def list_work(plan: Plan) -> Work:
    """The photos of the plan, each with its folder of results; nothing is written.

    Raises `OverwriteError` where the index may not be written, `InputError` for no photos, `UsageError` where
    results would go to the place of the photo, of the index or of another photo's results.
    """
    require_index_place(plan.output_dir, plan.mode)
    listing = list_photos(plan.image, plan.output_dir)
    tasks = [task_of(photo, listing.base, plan.output_dir) for photo in listing.photos[: plan.limit]]
    taken: dict[str, PhotoTask] = {}
    for task in tasks:
        if (other := taken.setdefault(task.output, task)) is not task:
            raise UsageError(
                f"the results of {task.photo} and {other.photo} would go to one folder: use separate runs"
            )
        first = place_of(task.photo, listing.base).split(os.sep)[0]
        if is_index_name(first):
            raise UsageError(
                f"the results of {task.photo} would go to {first}, a name of the run's index: "
                "rename that folder or photo"
            )
    return Work(tasks, listing.unreadable)


def run(
    plan: Plan,
    tasks: Sequence[PhotoTask],
    settings: "Settings",
    on_row: Callable[[Row | None, Tally], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Tally:
    """Turn every task of the plan into a folder of results and a row of the index.

    `on_row` gets None at the start, when earlier results are counted, then the row of every photo, done or
    failed. Once `stopped`, photos already begun are finished and the run ends. An error of one photo becomes
    a row. Raises `OverwriteError` where an index exists in mode `new` or another run is writing,
    `UsageError` where a run is resumed with other settings, `FastAvatarError` where nothing can be written or
    no model can be loaded.
    """
    tally = Tally(len(tasks))
    with index_folder(plan.output_dir, plan.mode) as folder:
        earlier, kept = EarlierRun(), cast(Iterable[Row], ())
        if plan.mode == "resume":
            earlier = review(folder, tasks, settings.of_results(), stopped)
            kept = kept_rows(folder, earlier, tasks)
            if settings.model == "auto" and earlier.model is not None:
                reason = "earlier results of this run were made with it"
                settings = replace(settings, model=cast(Any, earlier.model), model_reason=reason)
        left = [task for task in tasks if key(task) not in earlier.finished] if earlier.finished else tasks
        tally.kept = len(tasks) - len(left)
        if stopped():
            return tally
        with started_index(folder, kept) as append:
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
    plan: Plan, settings: "Settings", tasks: Sequence[PhotoTask], stopped: Callable[[], bool]
) -> Generator[Row]:
    if plan.engine == "local":
        return run_local(tasks, settings, plan.workers, plan.mode, stopped)
    from fastavatar.app.batch import run_ray

    return run_ray(tasks, settings, plan.workers, plan.mode, stopped, plan.address)
