"""What the operating system leaves to this process: processors and address space."""

import os
import sys
from functools import cache
from pathlib import Path

from fastavatar.errors import DeviceError

MAX_THREADS = 1024
"""More threads than that are refused: OpenMP starts every one at once, which hangs or kills the process."""

LEAST_ADDRESS_SPACE = 2_000_000_000
"""Bytes that a prediction maps: the example photo took 1.75 GB on two cores."""
_CGROUP = Path("/sys/fs/cgroup")


def processor_count() -> int:
    """Number of processors that the CPU affinity and the cgroup's quota allow, at least 1."""
    return max(1, min(_by_affinity(), _by_cgroup()))


def require_address_space() -> None:
    """Raise `DeviceError` where `ulimit -v` leaves too little address space for a prediction.

    Native libraries do not report that they ran out of it: they abort, or crash on a null pointer.
    """
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit not in (resource.RLIM_INFINITY, -1) and limit < LEAST_ADDRESS_SPACE:
        raise DeviceError(
            f"this process may use {limit / 1e9:.1f} GB of address space and a prediction needs "
            f"{LEAST_ADDRESS_SPACE / 1e9:.0f} GB: raise its limit, which `ulimit -v` shows in kB"
        )


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
