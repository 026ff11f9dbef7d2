"""Measures the memory of this process."""

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
