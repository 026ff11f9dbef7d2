"""Temporary folders that go with their process, and what processes that were killed left of theirs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastavatar.system import abandoned, partial

_NAME = "fastavatar"


@contextmanager
def workspace() -> Iterator[Path]:
    """A new folder that only this user reads, deleted when the block ends; abandoned ones go first.

    It lies inside the locked one: whoever writes results locks their folder as well.
    """
    delete_abandoned()
    with partial(Path(tempfile.gettempdir()), _NAME, as_folder=True) as folder:
        try:
            (folder / "work").mkdir()
            yield folder / "work"
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def delete_abandoned() -> list[Path]:
    """Delete this user's workspaces whose process has ended; returns which those were."""
    found = []
    for folder in abandoned(Path(tempfile.gettempdir()), _NAME):
        if folder.is_dir() and _is_own(folder):
            shutil.rmtree(folder, ignore_errors=True)
            found.append(folder)
    return found


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()  # Windows has one per user
