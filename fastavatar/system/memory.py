"""How much memory this process has held."""

import resource
import sys
from pathlib import Path


def peak_memory_mb() -> float:
    """Most memory this process has held so far, in 10⁶ bytes."""
    try:  # where there is /proc: elsewhere the figure begins with what the parent held when it forked
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:", 1)[1].split(maxsplit=1)[0]) * 1024 / 1e6
    except (OSError, IndexError):
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
