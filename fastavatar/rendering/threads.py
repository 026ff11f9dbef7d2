"""The number of threads that this process may use, and running a task on several threads.

Plain threads instead of numba's parallel loops: kernels run without the GIL and take their work from a shared
counter, so they may be called from many threads and after a fork, with any number of threads per call.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Event, Thread
from typing import TypeVar

from fastavatar.errors import UsageError
from fastavatar.system import MAX_THREADS, processor_count

_limit: int | None = None
Item = TypeVar("Item")
Result = TypeVar("Result")


def limit_threads(threads: int | None) -> None:
    """Let this process, torch included, use at most this many threads from now on.

    None means as many as affinity and quota allow. This is for programs: users of the library pass
    `threads` to `render` instead.
    """
    import torch

    global _limit
    _limit = thread_count(threads)
    torch.set_num_threads(_limit)


def thread_count(requested: int | None = None) -> int:
    """Threads to use: `requested`, or as many as the CPU affinity and the cgroup's quota allow.

    Raises `UsageError` unless 1 to `MAX_THREADS` are requested.
    """
    if requested is None:
        return min(processor_count(), _limit or sys.maxsize)
    if not 1 <= requested <= MAX_THREADS:
        raise UsageError(f"the number of threads must be 1 to {MAX_THREADS}, found {requested}")
    return requested


def run_on_threads(task: Callable[[], object], threads: int) -> None:
    """Call `task` on `threads` threads, including this one, and wait for those that began."""
    if threads > 1:
        _shorten_spins()
    helpers = [_pool().submit(task) for _ in range(threads - 1)]
    try:
        task()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun would find no work left
                helper.result()


def ahead(task: Callable[[], Result]) -> Callable[[], Result]:
    """Start a task on another thread; calling what is returned waits for its result.

    Where this process may use one thread alone, or no other has begun with the task by then, the caller does
    it.
    """
    if thread_count() == 1:
        return cache(task)
    future = _pool().submit(task)
    return cache(lambda: task() if future.cancel() else future.result())


def side_by_side(task: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The results of a task for each of some items, on as many threads as this process may use."""
    given = list(items)
    left, results = deque(range(len(given))), dict[int, Result]()

    def work() -> None:
        while True:
            try:
                index = left.popleft()
            except IndexError:
                return
            results[index] = task(given[index])

    run_on_threads(work, max(1, min(len(given), thread_count())))
    return [results[index] for index in range(len(given))]


@cache
def _shorten_spins() -> None:
    """Let torch's OpenMP threads sleep soon after their work, where torch was imported before `fastavatar`.

    They would spin for 7 ms after every operation, on the cores that the task needs
    (`benchmarks/render_api.py`).
    libgomp spins 300 times shorter while it has more threads than there are processors, so a thread keeps an
    idle team of its own; nothing else changes that at runtime. A policy that the user or `import fastavatar`
    set in time stays.
    """
    import torch

    def keep_team() -> None:
        torch.zeros(torch.get_num_threads() * _OPENMP_GRAIN).add_(1)  # one share for each thread of the team
        begun.set()
        Event().wait()

    if sys.platform == "linux" and "OMP_WAIT_POLICY" not in os.environ and torch.get_num_threads() > 1:
        begun = Event()
        Thread(target=keep_team, name="idle team", daemon=True).start()
        begun.wait()


_OPENMP_GRAIN = 32_768
"""Least elements for each thread of an operation of torch: GRAIN_SIZE of its TensorIterator.h."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(32, os.cpu_count() or 1), thread_name_prefix="render")


if hasattr(os, "register_at_fork"):  # a forked child has the pool but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
