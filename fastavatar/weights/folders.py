"""Replaces a folder of downloaded files as a whole, one process at a time.

 archive ─ unpack ─▶ .NAME.<token>.incoming ─ check ─▶ NAME                     the set in use
                                                       └──▶ .NAME.<token>.retired   the set before it

A folder is renamed, never filled in place, so a reader sees the old set or the new one, not a mixture. A
killed run leaves at most these two hidden folders; the next run deletes them, or restores the retired set.
"""

import logging
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastavatar.errors import WeightsError

log = logging.getLogger(__name__)

Ours = Callable[[str], bool]
"""Whether a file of this name in the folder is one that this program wrote."""

_MKSTEMP = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")
"""Pattern of the hidden files that version 0.1 unpacked to, beside their destination."""


@contextmanager
def only_one(place: Path, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the folder `place`, which is made if missing, while the block runs.

    Waits while another process holds the lock. Raises `WeightsError` instead of waiting if `wait` is off, and
    where `place` cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise WeightsError(f"another process is fetching into {place}") from error
            log.info("another process is fetching into %s: waiting for it", place)
            lock.acquire()
    except OSError as error:
        raise WeightsError(f"cannot write to {place}: {error.strerror}; choose another folder") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def incoming(folder: Path, ours: Ours) -> Iterator[Path]:
    """An empty hidden folder that replaces `folder` when the block succeeds.

    Files of `folder` that are not `ours` move to the new folder. When the block fails, `folder` stays as it
    was. The caller must hold the lock. Raises `WeightsError` where the file system refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"{folder} is a file where a folder should be: move it away")
    staging = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.incoming")
    try:
        with _refusals_in_one_line(folder):
            staging.mkdir(parents=True)
            yield staging
            _swap(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    try:
        recover(folder, ours)
    except OSError as error:
        log.warning("the former version of %s could not be deleted: %s", folder, error)


def retired_folders(folder: Path) -> list[Path]:
    """Former versions of `folder` that a killed run left beside it."""
    return _beside(folder, "retired")


def tidy(lock_place: Path, folder: Path, ours: Ours) -> None:
    """Delete or restore what killed runs left, unless a run is working there or the disk is read-only."""
    if any([*_beside(folder, "incoming"), *retired_folders(folder), *_hidden_files(folder, ours)]):
        try:
            with only_one(lock_place, wait=False):
                recover(folder, ours)
        except (WeightsError, OSError) as error:
            log.debug("leftovers of an earlier run stay beside %s: %s", folder, error)


def recover(folder: Path, ours: Ours) -> None:
    """Finish or undo what killed runs began. The caller must hold the lock."""
    for retired in retired_folders(folder):
        if folder.exists():
            _carry_over(retired, folder, ours)
        else:
            retired.rename(folder)
    for abandoned in _beside(folder, "incoming"):
        shutil.rmtree(abandoned, ignore_errors=True)
    for path in _hidden_files(folder, ours):
        path.unlink(missing_ok=True)


def _swap(staging: Path, folder: Path) -> None:
    retired = staging.with_suffix(".retired")
    if folder.exists():
        folder.rename(retired)
    try:
        staging.rename(folder)
    except BaseException:  # after an interrupt, too, the old set must be in place
        if retired.exists() and not folder.exists():
            retired.rename(folder)
        raise


def _carry_over(retired: Path, folder: Path, ours: Ours) -> None:
    """Delete our own files of a retired set and move the others into `folder`, if their names are free."""
    for path in retired.iterdir():
        if ours(path.name) and not path.is_dir():
            path.unlink()
        elif not (folder / path.name).exists():
            path.rename(folder / path.name)
    if any(retired.iterdir()):
        log.warning("%s holds files whose names the new set also uses: move them yourself", retired)
    else:
        retired.rmdir()


def _hidden_files(folder: Path, ours: Ours) -> list[Path]:
    """Files that version 0.1 left unfinished in `folder` and one folder above."""
    hidden = [path for place in (folder, folder.parent) for path in place.glob(".*") if path.is_file()]
    matches = ((path, _MKSTEMP.fullmatch(path.name)) for path in hidden)
    return [path for path, match in matches if match and ours(match["name"])]


def _beside(folder: Path, kind: str) -> list[Path]:
    name = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{8}}\.{kind}")
    return sorted(path for path in folder.parent.glob(".*") if name.fullmatch(path.name) and path.is_dir())


@contextmanager
def _refusals_in_one_line(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsError(
            f"cannot replace {folder}: {error.strerror or error}; make room there or choose another folder"
        ) from error
