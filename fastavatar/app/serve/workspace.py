"""The temporary folder of one server, and what servers that were killed left of theirs."""

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
"""A file in the folder that its server holds locked; the system lets go of the lock when the process ends."""


@contextmanager
def workspace() -> Iterator[Path]:
    """A new folder that only this user reads, deleted when the block ends; abandoned ones go first."""
    delete_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = _locked_marker(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def delete_abandoned() -> list[Path]:
    """Delete this user's folders of servers that have ended; returns which those were."""
    found = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)
                found.append(folder)
    return found


def _is_abandoned(folder: Path) -> bool:
    """Whether `folder` has a server's marker that no process holds; links and other users' do not count."""
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
    """The descriptor of the marker, which gets its name after its lock, so that no other server takes it."""
    lock = os.open(folder / f"{MARKER}.new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    if fcntl is not None:
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(folder / f"{MARKER}.new", folder / MARKER)
    return lock
