"""Locks on files and folders, which the operating system frees when their process ends for any reason.

POSIX systems lock the file or folder itself, with flock. Windows has no such call and opens no folders: a
file made for the purpose is locked there instead.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Lock(Protocol):
    """A lock that this process may take."""

    def take(self) -> bool | None:
        """Try to lock; whether this process holds the lock now, None if the file system has no locks."""

    def is_on(self, path: Path) -> bool:
        """Whether the file or folder at `path` is the one that the lock was made for."""

    def release(self) -> None:
        """Free the lock, if it was taken, for other processes."""


def lock_on(path: Path, lock_file: Path, follow_links: bool = False) -> Lock:
    """A lock on the file or folder `path`; `lock_file` is what Windows locks in its place.

    Raises `OSError` where there is nothing at `path`, or where it may not be opened.
    """
    return LockBeside(path, lock_file) if fcntl is None else Flock(path, follow_links)


class Flock:
    """A lock on a file or folder itself."""

    def __init__(self, path: Path, follow_links: bool) -> None:
        kind = os.O_RDONLY if path.is_dir() else os.O_RDWR  # NFS locks only files that are open for writing
        self._descriptor = os.open(path, kind | (0 if follow_links else os.O_NOFOLLOW))

    def take(self) -> bool | None:
        """Try to lock, without waiting."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True

    def is_on(self, path: Path) -> bool:
        """Whether `path` is still the file that was opened."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.lstat(path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Unlock and close."""
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # for forked copies of the descriptor, too
        os.close(self._descriptor)


class LockBeside:
    """A lock on a file made for it, which is deleted when the lock is released."""

    def __init__(self, path: Path, lock_file: Path) -> None:
        from filelock import FileLock

        os.lstat(path)
        self._file = lock_file
        self._lock = FileLock(lock_file, thread_local=False)

    def take(self) -> bool | None:
        """Try to lock, without waiting."""
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            return None
        return True

    def is_on(self, path: Path) -> bool:
        """Whether `path` is still there; its random name is never used twice."""
        return os.path.lexists(path)

    def release(self) -> None:
        """Unlock and delete the file; one that another process is about to lock stays."""
        held = self._lock.is_locked
        self._lock.release()
        if held:
            with suppress(OSError):
                self._file.unlink()
