"""What a result was made with: versions and memory."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from fastavatar.system.memory import peak_memory_mb as peak_memory_mb
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
