"""The folder where downloads and compiled kernels are kept, and the room on a folder's disk."""

import os
import shutil
from pathlib import Path


def cache_folder(given: Path | str | None = None) -> Path:
    """The folder `given`, else `FASTAVATAR_CACHE`, else `CACHE_DIR`, else `~/.cache/fastavatar`."""
    chosen = given or os.environ.get("FASTAVATAR_CACHE") or os.environ.get("CACHE_DIR")
    return Path(chosen or "~/.cache/fastavatar").expanduser().absolute()


def free_bytes(folder: Path) -> int | None:
    """Bytes that are free on the disk of `folder`, None where its file system does not report a size."""
    if not hasattr(os, "statvfs"):  # Windows
        return shutil.disk_usage(folder).free
    room = os.statvfs(folder)
    return room.f_bfree * room.f_frsize if room.f_blocks else None
