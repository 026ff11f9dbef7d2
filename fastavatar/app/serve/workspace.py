"""The temporary folder of one server, and the removal of folders that killed servers left."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = "fastavatar-serve-"
MARKER = ".fastavatar-serve"
"""A file in the folder, locked by its server; the system frees the lock when the process ends."""


@contextmanager
def workspace() -> Iterator[Path]:
    """A new folder that only this user can read, deleted when the block ends. Abandoned ones are deleted."""
    delete_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = _locked_marker(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def delete_abandoned() -> list[Path]:
    """Delete this user's folders of servers that have ended, and return their paths."""
    found = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
                found.append(folder)
    return found


def _is_abandoned(folder: Path) -> bool:
    """Whether `folder` is this user's, is no link, and has a marker that no process holds locked."""
    if fcntl is None or folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return False
    lock = os.open(folder / MARKER, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _locked_marker(folder: Path) -> int:
    """The descriptor of the marker; it is locked before it gets its name, so no other server locks it."""
    lock = os.open(folder / f"{MARKER}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    if fcntl is not None:
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(folder / f"{MARKER}.new", folder / MARKER)
    return lock
