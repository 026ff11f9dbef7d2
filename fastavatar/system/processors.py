"""Finds how many processors this process may use, by CPU affinity and control groups."""

import os
from functools import cache
from pathlib import Path

MAX_THREADS = 1024
"""Most threads that are accepted: OpenMP starts all at once, and more hang or kill the process."""

_CGROUP = Path("/sys/fs/cgroup")


def processor_count() -> int:
    """Number of processors that the CPU affinity and the cgroup's quota allow, at least 1."""
    return max(1, min(_by_affinity(), _by_cgroup()))


def _by_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _by_cgroup() -> int:
    """The smallest CPU quota of this process's control groups, rounded up to whole CPUs."""
    quotas = [_quota(*group) for group in _cgroup_files()]
    return min((quota for quota in quotas if quota), default=os.cpu_count() or 1)


def _cgroup_files() -> list[tuple[str, str]]:
    """Quota and period, as text, of every control group of this process: version 2, then version 1."""
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
    """The quota in whole CPUs, or None if there is no limit."""
    if quota.strip() in ("max", "-1"):
        return None
    return -(-int(quota) // int(period))
