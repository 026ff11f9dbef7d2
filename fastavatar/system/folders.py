"""The folder where downloads and compiled kernels are kept."""

import os
from pathlib import Path


def cache_folder(given: Path | str | None = None) -> Path:
    """The folder `given`, else `FASTAVATAR_CACHE`, else `CACHE_DIR`, else `~/.cache/fastavatar`."""
    chosen = given or os.environ.get("FASTAVATAR_CACHE") or os.environ.get("CACHE_DIR")
    return Path(chosen or "~/.cache/fastavatar").expanduser().absolute()
