"""A folder's files replaced together: all of them, or none."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.system.atomic import partial_name

_STAGING = "results"


def require_folder(folder: Path) -> None:
    """Raise in one line unless `folder` is one, or can be made, and files can be made in it."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write to {folder}: it is a file; give a folder")
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not existing.is_dir():
        raise UsageError(f"cannot write to {folder}: {existing} is a file; give a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise FastAvatarError(f"cannot write to {folder}: permission denied; choose another folder")


@contextmanager
def staged(folder: Path, replaced: Iterable[str]) -> Iterator[Path]:
    """A hidden folder to write to, whose files move into `folder` when the block ends well.

    Those `replaced` go, all else in `folder` stays. When the block fails, or the moving does, `folder` is
    as it was. The hidden folder lies inside, since what is around may be another disk or not writable.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    staging = folder / partial_name(_STAGING)
    done = False
    try:
        staging.mkdir(parents=True)
        yield staging
        _swap(staging, folder, list(replaced))
        done = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not done:
            for place in made:
                _remove_if_empty(place)


def clear_staging(folder: Path) -> None:
    """Remove what runs that were killed left of their hidden folders, and `folder` itself if that was all.

    For callers that know no other run to be writing there.
    """
    for left in folder.glob(f".{_STAGING}.*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    _remove_if_empty(folder)


def _swap(staging: Path, folder: Path, replaced: list[str]) -> None:
    """Move the staged files into `folder` and the replaced ones out; undo what was moved on any failure."""
    fresh = sorted(path.name for path in staging.iterdir())
    retired = staging / partial_name("retired")
    retired.mkdir()
    moves = [(folder / name, retired / name) for name in sorted({*replaced, *fresh})]
    moves = [(source, target) for source, target in moves if source.exists()]
    moves += [(staging / name, folder / name) for name in fresh]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            done.append((source, target))
            os.replace(source, target)
    except BaseException:  # an interrupt must leave what was there as much as a failure
        for source, target in reversed(done):
            if target.exists() and not source.exists():
                os.replace(target, source)
        raise


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
