"""Runs one function over many items, on this machine or on a Ray cluster, and reports each as it ends."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from fastavatar.app.batch import connect_ray
from fastavatar.errors import DeviceError, FastAvatarError

T = TypeVar("T")
Ended = tuple[T, FastAvatarError | None]
"""An item, and the error it ended with or None."""


def run_jobs(job: Callable[[T], None], items: Sequence[T], workers: int) -> Iterator[Ended[T]]:
    """Do all items in `workers` processes, or in this one where that is 1.

    Raises what is no `FastAvatarError`, and `DeviceError` where a process dies. Closing the iterator early
    leaves the remaining items undone.
    """
    if workers == 1:
        for item in items:
            yield item, _error_of(job, item)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:  # threads do not survive a fork
        futures: dict[Future[FastAvatarError | None], T] = {
            pool.submit(_error_of, job, item): item for item in items
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise DeviceError("a worker process died: too little memory? Use fewer workers") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def run_jobs_on_ray(
    job: Callable[[T], None], items: Sequence[T], threads: int, address: str | None
) -> Iterator[Ended[T]]:
    """The same on a Ray cluster, whose machines see the same files; each item takes `threads` cores.

    Raises `FastAvatarError` where Ray is not installed or the cluster cannot be reached.
    """
    connect_ray(address)
    import ray

    remote: Any = ray.remote(num_cpus=threads, max_retries=2)(_error_of)
    running = {remote.remote(job, item): item for item in items}
    while running:
        (done, *_), _ = ray.wait(list(running), num_returns=1)
        item = running.pop(done)
        try:
            yield item, ray.get(done)
        except ray.exceptions.RayError as error:
            yield item, DeviceError(f"its worker died: {str(error).splitlines()[0]}")


def _error_of(job: Callable[[T], None], item: T) -> FastAvatarError | None:
    try:
        job(item)
    except FastAvatarError as error:
        return error
    return None
