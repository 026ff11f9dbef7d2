"""How many threads this process may use, and running one task on several.

The one place in `render/` that asks the operating system (affinity, control groups). Plain threads instead of
numba's parallel loops: kernels run without the GIL and take their work from a shared counter, so they may be
called from many threads and after a fork, with any number of threads per call.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from fastavatar.errors import UsageError

_CGROUP = Path("/sys/fs/cgroup")
_limit: int | None = None


def limit_threads(threads: int | None) -> None:
    """Let this process, torch included, use at most so many threads from now on.

    None stands for what affinity and quota allow. For the command line: a library's caller passes
    `threads` to `render` instead.
    """
    import torch

    global _limit
    _limit = thread_count(threads)
    torch.set_num_threads(_limit)


def thread_count(requested: int | None = None) -> int:
    """Threads to use: `requested`, or as many as the CPU affinity and the cgroup's quota allow.

    Raises `UsageError` when fewer than one is requested.
    """
    if requested is None:
        return max(1, min(_cpus_by_affinity(), _cpus_by_cgroup(), _limit or sys.maxsize))
    if requested < 1:
        raise UsageError(f"at least 1 thread is needed, found {requested}")
    return requested


def run_on_threads(task: Callable[[], object], threads: int) -> None:
    """Call `task` on `threads` threads, this one among them, and wait for all that began."""
    helpers = [_pool().submit(task) for _ in range(threads - 1)]
    try:
        task()
    finally:
        for helper in helpers:
            if not helper.cancel():  # one that has not begun would find no work left
                helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(32, os.cpu_count() or 1), thread_name_prefix="render")


if hasattr(os, "register_at_fork"):  # a forked child has the pool but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _cpus_by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _cpus_by_cgroup() -> int:
    """Whole CPUs of the smallest quota among this process's control groups, rounded up."""
    quotas = [_quota(*group) for group in _cgroup_files()]
    return min((quota for quota in quotas if quota), default=os.cpu_count() or 1)


def _cgroup_files() -> list[tuple[str, str]]:
    """(quota, period) as text, of every control group this process is in, version 2 then 1."""
    found = []
    try:
        own = Path("/proc/self/cgroup").read_text().split("::", 1)[1].strip().lstrip("/")
    except (OSError, IndexError):
        own = ""
    here = _CGROUP / own
    for folder in (here, *here.parents):
        try:
            quota, period = (folder / "cpu.max").read_text().split()
            found.append((quota, period))
        except (OSError, ValueError):
            continue
    try:
        first = _CGROUP / "cpu"
        found.append(((first / "cpu.cfs_quota_us").read_text(), (first / "cpu.cfs_period_us").read_text()))
    except OSError:
        pass
    return found


def _quota(quota: str, period: str) -> int | None:
    """Whole CPUs, or None where there is no limit."""
    if quota.strip() in ("max", "-1"):
        return None
    return -(-int(quota) // int(period))
