"""The engine for many machines: Ray Data, whose actors hold the model and are replaced when they die.

When a batch is tried again, finished photos are skipped and unfinished ones are tried one at a time. A photo
whose actor dies again and again gets a failed row.
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastavatar.app.batch import (
    AT_ONCE_ON_CUDA,
    Mode,
    PhotoTask,
    Row,
    failed_row,
    finished_row,
    parse_row,
    work_off,
)
from fastavatar.errors import DeviceError, FastAvatarError

if TYPE_CHECKING:
    import pyarrow

    from fastavatar.app.settings import Settings

_MOST_PHOTOS_A_BATCH = 32
_BATCHES_A_WORKER = 8
_TRIES = 3
_OBJECT_STORE_BYTES = 200_000_000
"""Object memory of a cluster that is started here; small, because only names and rows are exchanged."""


def run_ray(
    tasks: Sequence[PhotoTask],
    settings: "Settings",
    workers: int | None,
    mode: Mode,
    stopped: Callable[[], bool],
    address: str | None,
) -> Generator[Row]:
    """Do the tasks on a Ray cluster and yield their rows as they finish; ends at once when `stopped`.

    `settings.threads` is the number of cores of each worker, 1 by default. By default there are as many
    workers as the cluster has room for. Raises `FastAvatarError` where Ray is not installed, the cluster
    cannot be reached, or the model cannot be loaded.
    """
    if not tasks:
        return
    connect_ray(address)
    settings, resources, most = _share(settings, workers)
    most = min(most, len(tasks))
    photos_a_batch = max(1, min(_MOST_PHOTOS_A_BATCH, len(tasks) // (most * _BATCHES_A_WORKER)))
    actor = {
        "settings": settings,
        "mode": mode,
        "since": datetime.now(UTC).replace(microsecond=0),  # as summaries state it
        "ledger": _ledger(),
    }
    seen: set[str] = set()
    for row in _rows(tasks, photos_a_batch, actor, resources, most):
        if row.output not in seen:
            seen.add(row.output)
            yield row
        if stopped():
            return


class Ledger:
    """Counts how often each task was begun; one actor for the cluster, which outlives the working actors."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, outputs: list[str]) -> None:
        """Note that the tasks with these output folders begin."""
        self._begun.update(outputs)

    def tries(self, outputs: list[str]) -> list[int]:
        """How often each task was begun without ending, in the order of `outputs`."""
        return [self._begun[output] for output in outputs]

    def end(self, outputs: list[str]) -> None:
        """Forget tasks that have ended."""
        for output in outputs:
            self._begun.pop(output, None)


class Actor:
    """A loaded model on some node of the cluster."""

    def __init__(self, settings: "Settings", mode: Mode, since: datetime, ledger: Any) -> None:
        logging.getLogger("fastavatar").setLevel(logging.ERROR)
        self._mode = mode
        self._since = since
        self._ledger = ledger
        self._error: FastAvatarError | None = None
        try:
            self._load(settings)
        except FastAvatarError as error:
            self._error = error  # if it were raised here, Ray would try again

    def __call__(self, table: "pyarrow.Table") -> dict[str, list[bytes]]:
        """The rows, as lines, of a table of photos and output folders."""
        columns = [map(os.fsdecode, table[name].to_pylist()) for name in ("photo", "output")]
        tasks = [PhotoTask(photo, output) for photo, output in zip(*columns, strict=True)]
        if self._error is not None:
            rows = [replace(failed_row(tasks[0], self._error, 0.0), output="")]
        else:
            rows = self._work_off(tasks)
        return {"row": [row.to_line() for row in rows]}

    def _load(self, settings: "Settings") -> None:
        from fastavatar.app.pipeline import Pipeline

        self._pipeline = Pipeline(settings)

    def _work_off(self, tasks: list[PhotoTask]) -> list[Row]:
        import ray

        rows: list[Row] = []
        left: list[PhotoTask] = []
        for task in tasks:
            done = finished_row(task, self._since)
            if done is None:
                left.append(task)
            else:
                rows.append(done)
        tries = ray.get(self._ledger.tries.remote([task.output for task in left]))
        tried = dict(zip(left, tries, strict=True))
        together = [[task for task in left if not tried[task]]]
        for some in [*together, *([task] for task in left if tried[task])]:
            outputs = [task.output for task in some]
            if some and tried[some[0]] >= _TRIES:
                rows.append(failed_row(some[0], DeviceError("its worker died: too little memory?"), 0.0))
            else:
                ray.get(self._ledger.begin.remote(outputs))
                self._predict(some, rows.append)
            ray.get(self._ledger.end.remote(outputs))
        return rows

    def _predict(self, tasks: list[PhotoTask], done: Callable[[Row], None]) -> None:
        at_once = AT_ONCE_ON_CUDA if self._pipeline.device.startswith("cuda") else 1
        work_off(self._pipeline, iter(tasks), done, self._mode, at_once)


def connect_ray(address: str | None) -> None:
    """Join the cluster at `address`; without one, join a running local cluster or start one."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(
        "RAY_BACKEND_LOG_LEVEL", "fatal"
    )  # hides reports of restarts, which this engine expects
    try:
        import ray
    except ImportError:
        raise FastAvatarError("the engine ray needs the package Ray: pip install '.[ray]'") from None
    if ray.is_initialized():
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init(address=address or "auto", **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address is not None:
            raise FastAvatarError(f"no Ray cluster at {address}: {' '.join(str(error).split())}") from error
        ray.init(include_dashboard=False, object_store_memory=_OBJECT_STORE_BYTES, **quiet)


def _share(settings: "Settings", workers: int | None) -> tuple["Settings", dict[str, Any], int]:
    """Settings and Ray resources of each worker, and how many workers may run at a time."""
    import ray

    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    threads = settings.threads or 1
    settings = replace(settings, threads=threads)
    if there.get("GPU", 0) and settings.device != "cpu":
        return settings, {"num_gpus": 1}, max(1, workers or int(there["GPU"]))
    return settings, {"num_cpus": threads}, max(1, workers or int(there.get("CPU", 1) // threads))


def _ledger() -> Any:
    """A `Ledger` on this node: if this node dies, the run is over in any case."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0)(Ledger).options(scheduling_strategy=here).remote()


def _rows(
    tasks: Sequence[PhotoTask],
    photos_a_batch: int,
    actor: dict[str, Any],
    resources: dict[str, Any],
    most: int,
) -> Iterator[Row]:
    """Yield rows as tasks finish; raises the error with which an actor failed to load its model."""
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    batches = ray.data.from_arrow(list(_tables(tasks, photos_a_batch)))
    done = batches.map_batches(
        Actor,
        fn_constructor_kwargs=actor,
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
        **resources,
    )
    for found in done.iter_rows():
        row = parse_row(found["row"])
        assert row is not None
        if not row.output:
            kinds = {kind.exit_code: kind for kind in FastAvatarError.__subclasses__()}
            raise kinds.get(row.error_code, FastAvatarError)(row.error)
        yield row


def _tables(tasks: Sequence[PhotoTask], photos_a_batch: int) -> "Iterator[pyarrow.Table]":
    import pyarrow

    names = [{name: os.fsencode(getattr(task, name)) for name in ("photo", "output")} for task in tasks]
    for first in range(0, len(names), photos_a_batch):
        yield pyarrow.Table.from_pylist(names[first : first + photos_a_batch])
