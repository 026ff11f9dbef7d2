"""Writes files whole or not at all, locks folders between runs, and finds leftovers of killed runs.

A hidden file or folder that is being written is locked by its process. The operating system frees the lock
when the process ends for any reason, so a hidden file without a lock was left by a run that has ended.
"""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fastavatar.errors import FastAvatarError, OverwriteError
from fastavatar.system import Lock, lock_on

_LONGEST_NAME = 255
"""Most bytes of a file's name on all common file systems."""
_ENDING = re.compile(r"\.[0-9a-f]{8}\.partial")
_FOLDER_LOCK = ".fastavatar.lock"
"""What Windows locks in place of a folder; no other system makes it."""
_WAIT_S = 10.0
"""Seconds that a run waits for another run in the same folder, which moves its files much faster."""


@contextmanager
def replacing(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`; it becomes `path` if the block succeeds, else it is removed.

    Missing folders are made. Hidden files that killed runs left beside `path` are removed first. Raises
    `OverwriteError` where something other than a file is at `path`, or where `overwrite` is off and anything
    is there by the end of the block, and `FastAvatarError` in one line when the file system refuses.
    """
    require_replaceable_file(path)
    with refusals_in_one_line(path), made_folder(path.parent):
        for left in abandoned(path.parent, path.name):
            if left.is_file():
                left.unlink(missing_ok=True)
        with partial(path.parent, path.name) as hidden:
            yield hidden
            require_replaceable_file(path)  # again, since the work may have taken long
            if overwrite:
                os.replace(hidden, path)
            else:
                place(hidden, path)


def require_replaceable_file(path: Path) -> None:
    """Raise `OverwriteError` where `path` is anything but a regular file, a link to one, or a dangling link.

    Renaming a file onto a pipe, a device or a socket destroys it: root can lose /dev/null that way.
    """
    with refusals_in_one_line(path):
        if os.path.exists(path) and not os.path.isfile(path):
            kind = "a folder" if path.is_dir() else "a pipe, a device or a socket"
            raise OverwriteError(f"{path} is {kind}, which is never replaced: choose another name")


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make `folder` and those above it where they are missing; empty ones go when the block fails."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        yield
    except BaseException:
        for one in made:
            with suppress(OSError):
                one.rmdir()
        raise


@contextmanager
def partial(folder: Path, name: str, as_folder: bool = False) -> Iterator[Path]:
    """A new hidden file, or folder that only this user reads, in `folder` that will get the name `name`.

    It is locked while the block runs, so that `abandoned` in other runs ignores it. At the end of the block a
    file is removed; a folder is removed if it is empty.
    """
    while True:
        hidden = folder / partial_name(name)
        if as_folder:
            hidden.mkdir(0o700)
        else:
            hidden.touch(exist_ok=False)
        held = _held(hidden)
        if held is not None:
            break
    try:
        yield hidden
    finally:
        if as_folder:
            with suppress(OSError):
                hidden.rmdir()
        else:
            hidden.unlink(missing_ok=True)
        held.release()


def abandoned(folder: Path, name: str) -> Iterator[Path]:
    """Yield hidden files and folders for `name` in `folder` whose process has ended, each locked meanwhile.

    On a file system without locks nothing counts as abandoned.
    """
    kept = _hidden_stem(name)
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if not (entry.name.startswith(kept) and _ENDING.fullmatch(entry.name[len(kept) :])):
            continue
        if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            continue
        try:
            lock = _lock_on(Path(entry.path))
        except OSError:
            continue
        try:
            if lock.take():
                yield Path(entry.path)
        finally:
            lock.release()


@contextmanager
def alone_in(folder: Path, wait_s: float | None = None) -> Iterator[None]:
    """Lock `folder` against other runs while the block runs; waits `wait_s` seconds for the lock, or 10.

    Raises `OverwriteError` if another run does not release the lock.
    """
    lock = lock_on(folder, folder / _FOLDER_LOCK, follow_links=True)
    try:
        give_up = time.monotonic() + (_WAIT_S if wait_s is None else wait_s)
        while lock.take() is False:
            if time.monotonic() >= give_up:
                raise OverwriteError(
                    f"another run is writing to {folder}: wait for it, or choose another folder"
                )
            time.sleep(0.02)
        yield
    finally:
        lock.release()


def place(source: Path, target: Path) -> None:
    """Give the file `source` a second name `target`, in one step that never replaces a file.

    Raises `OverwriteError` if `target` exists. On a file system without hard links `target` is a copy.
    """
    try:
        try:
            # False where the system has the choice
            os.link(source, target, follow_symlinks=os.link not in os.supports_follow_symlinks)
        except FileExistsError:
            raise
        except OSError:
            with source.open("rb") as read, target.open("xb") as written:
                shutil.copyfileobj(read, written)
    except FileExistsError:
        raise OverwriteError(f"{target} exists already: another run or program has just written it") from None


@contextmanager
def replacing_all(paths: Sequence[Path], overwrite: bool = True) -> Iterator[list[Path]]:
    """The same as `replacing` for several files: all are replaced if the block succeeds, else none."""
    with ExitStack() as files:
        yield [files.enter_context(replacing(path, overwrite)) for path in paths]


@contextmanager
def refusals_in_one_line(path: Path) -> Iterator[None]:
    """Turn an `OSError` while writing `path` into a `FastAvatarError` of one line."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FastAvatarError(f"cannot write {path}: {reason}; choose another place or make room") from error


def partial_name(name: str) -> str:
    """A hidden, random name that no other run uses at the same time."""
    return f"{_hidden_stem(name)}.{secrets.token_hex(4)}.partial"


def _hidden_stem(name: str) -> str:
    """The beginning of all hidden names for `name`, short enough for the ending of `partial_name`."""
    return "." + os.fsdecode(os.fsencode(name)[: _LONGEST_NAME - len(".") - len(".01234567.partial")])


def _held(hidden: Path) -> Lock | None:
    """The lock on the new `hidden`, taken; None if another run removed it meanwhile."""
    try:
        lock = _lock_on(hidden)
    except FileNotFoundError:
        return None
    if lock.take() is not False and lock.is_on(hidden):
        return lock
    lock.release()
    return None


def _lock_on(hidden: Path) -> Lock:
    return lock_on(hidden, hidden.with_name(f"{hidden.name}.lock"))
