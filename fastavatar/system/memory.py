"""Measures and limits the memory of this process."""

import ctypes
import sys
from pathlib import Path


def peak_memory_mb() -> float:
    """Peak memory of this process so far, in 10⁶ bytes."""
    try:  # /proc exists only on Linux; the figure used elsewhere includes the parent's memory at the fork
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:", 1)[1].split(maxsplit=1)[0]) * 1024 / 1e6
    except (OSError, IndexError):
        pass
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""From glibc's malloc.h."""
_LARGE_BYTES = 1 << 20


def return_large_arrays() -> None:
    """Let this process return the memory of arrays above 1 MB to the system as soon as they are freed.

    glibc keeps ever larger ones for the next allocation, a tenth of a prediction's peak. Returning them slows
    loops that allocate the same sizes again, so call this in processes that do their work once. On systems
    without glibc nothing happens.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
