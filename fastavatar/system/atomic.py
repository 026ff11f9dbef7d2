"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fastavatar.errors import FastAvatarError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which becomes `path` when the block ends well and goes when not.

    Raises `FastAvatarError` in one line when the file system refuses.
    """
    partial = path.with_name(partial_name(path.name))
    with refusals_told(path):
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """As `replacing` for several files: none is replaced unless the block ends well.

    Missing folders are made.
    """
    with ExitStack() as files:
        for folder in {path.parent for path in paths}:
            with refusals_told(folder):
                folder.mkdir(parents=True, exist_ok=True)
        yield [files.enter_context(replacing(path)) for path in paths]


@contextmanager
def refusals_told(path: Path) -> Iterator[None]:
    """Turn what the file system refuses while writing `path` into one line."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FastAvatarError(f"cannot write {path}: {reason}; choose another place or make room") from error


def partial_name(name: str) -> str:
    """A hidden name that no other run uses at the same time."""
    return f".{name}.{secrets.token_hex(4)}.partial"
