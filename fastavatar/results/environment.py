"""What a result was made with: versions and memory."""

import platform
import resource
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastavatar.version import __version__

PACKAGES = ("gsplat", "insightface", "mediapipe", "numba", "numpy", "onnxruntime", "pillow", "scipy", "torch")
"""Those whose version can change a result."""


@cache
def versions() -> dict[str, str]:
    """Versions of this program, Python and the packages that are installed: the same as long as it runs."""
    found = {"fastavatar": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def peak_memory_mb() -> float:
    """Most memory this process has held so far, in 10⁶ bytes."""
    try:  # where there is /proc: elsewhere the figure begins with what the parent held when it forked
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:", 1)[1].split(maxsplit=1)[0]) * 1024 / 1e6
    except (OSError, IndexError):
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
