"""Replaces files of a folder together: all of them or none, however the run ends.

 1. New files are written to a hidden folder inside.
 2. Under a lock, the files to be replaced move to `.retired` in that folder, and the new files get their
    names by hard links, which never replace a file and show later which files are new.
 3. `.retired` becomes `.done`: from here on the new files count.
 4. The hidden folder is deleted.

A run that ends between 2 and 3 is undone, at once or by the next run in the folder.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastavatar.errors import FastAvatarError, OverwriteError, UsageError
from fastavatar.system import (
    abandoned,
    alone_in,
    free_bytes,
    made_folder,
    partial,
    place,
    refusals_in_one_line,
    require_replaceable_file,
)

_STAGING = "results"
_RETIRED, _DONE = ".retired", ".done"


def require_folder(folder: Path, room_bytes: int = 0) -> None:
    """Raise unless `folder` exists or can be made, and files of `room_bytes` can be written in it.

    The check makes a hidden folder and removes it at once. Raises `UsageError` where `folder` is a file,
    `FastAvatarError` where the file system refuses or is full.
    """
    with refusals_in_one_line(folder):
        if _is_there(folder) and not folder.is_dir():
            raise UsageError(f"cannot write to {folder}: it is a file; give a folder")
        whole = folder.absolute()
        existing = next(one for one in (whole, *whole.parents) if _is_there(one))
        if not existing.is_dir():
            raise UsageError(f"cannot write to {folder}: {existing} is a file; give a folder")
        try:
            with partial(existing, _STAGING, as_folder=True):
                pass
        except PermissionError:
            raise FastAvatarError(
                f"cannot write to {folder}: permission denied; choose another folder"
            ) from None
        free = free_bytes(existing)
        if free is not None and free < room_bytes:
            raise FastAvatarError(
                f"cannot write to {folder}: {free / 1e6:.1f} MB are free on its disk, and results take at "
                f"least {room_bytes / 1e6:.1f} MB; make room or choose another folder"
            )


@contextmanager
def staged(folder: Path, replaced: Iterable[str] = ()) -> Iterator[Path]:
    """A hidden folder to write to, whose files move into `folder` when the block succeeds.

    The files `replaced` are deleted, everything else in `folder` stays. `replaced` is iterated when the files
    move, under the lock, so a generator can look at the folder then, and raise. When the block or the move
    fails, `folder` is as before; when the process is killed, the next run restores it. The hidden folder is
    inside `folder`, because the parent folder may be on another disk or not writable.

    Raises `OverwriteError` where a new file's name is taken and not among `replaced`, or where one of
    `replaced` is no file.
    """
    with made_folder(folder), partial(folder, _STAGING, as_folder=True) as staging:
        try:
            yield staging
            with alone_in(folder):
                _swap(staging, folder, replaced)
        finally:
            _settle(staging, folder)


def clear_staging(folder: Path) -> None:
    """Undo half-done work of killed runs in `folder`, and remove `folder` if it is then empty."""
    if not any(abandoned(folder, _STAGING)):
        return
    with alone_in(folder):
        for left in abandoned(folder, _STAGING):
            if _holds_files_only(left):
                _settle(left, folder)
    _remove_if_empty(folder)


def _swap(staging: Path, folder: Path, replaced: Iterable[str]) -> None:
    """Move the replaced files out of `folder`, link the new ones in; `_settle` undoes what is half-done."""
    new = sorted(path.name for path in staging.iterdir())
    old = sorted({name for name in replaced if os.path.lexists(folder / name)})
    for name in old:
        require_replaceable_file(folder / name)
    taken = [name for name in new if name not in old and os.path.lexists(folder / name)]
    if taken:
        raise OverwriteError(f"{folder} holds {', '.join(taken)} already; choose another folder")
    (staging / _RETIRED).mkdir()
    copied: list[str] = []
    try:
        for name in old:
            os.rename(folder / name, staging / _RETIRED / name)
        for name in new:
            place(staging / name, folder / name)
            copied.append(name)
        os.rename(staging / _RETIRED, staging / _DONE)
    except BaseException:  # after an interrupt, too, the old files must be back
        for name in copied:
            (folder / name).unlink(missing_ok=True)
        raise


def _settle(staging: Path, folder: Path) -> None:
    """Undo a swap that was not completed, then empty the hidden folder.

    A file whose name was taken meanwhile cannot be put back and stays in the hidden folder.
    """
    retired = staging / _RETIRED
    if retired.is_dir():
        for path in staging.iterdir():
            with suppress(FileNotFoundError):
                if path.is_file() and path.samefile(folder / path.name):
                    (folder / path.name).unlink()
        for path in retired.iterdir():
            if not os.path.lexists(folder / path.name):
                os.rename(path, folder / path.name)
        if any(retired.iterdir()):
            return
    shutil.rmtree(staging, ignore_errors=True)


def _holds_files_only(staging: Path) -> bool:
    """Whether a hidden folder holds only what `staged` puts there: new files and replaced files."""
    inner = [staging / _RETIRED, staging / _DONE]
    found = [*staging.iterdir(), *(path for one in inner if one.is_dir() for path in one.iterdir())]
    return all(path in inner or (path.is_file() and not path.is_symlink()) for path in found)


def _is_there(path: Path) -> bool:
    """Whether `path` is a file, folder or link; raises `OSError` for a name that no file can have."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
