"""Reads files that a user names: only regular files; every refusal is an error of one line."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fastavatar.errors import InputError

_KINDS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "it is a pipe, which may never end; save what it carries to a file first"),
    (stat.S_ISCHR, "it is a device, which may never end"),
    (stat.S_ISBLK, "it is a device, which may never end"),
    (stat.S_ISSOCK, "it is a socket; save what it carries to a file first"),
)


def require_regular_file(path: str | Path) -> int:
    """Size in bytes of the regular file at `path`, symbolic links followed.

    Raises `InputError` when there is no file, or `path` is a directory, a pipe, a device or a socket, because
    opening a pipe waits for its writer, and a device such as /dev/zero has no end.
    """
    if "\0" in str(path):
        raise InputError(f"cannot read {str(path)!r}: the path holds a null character")
    with _refusals_in_one_line(path):
        found = os.stat(path)
    for is_kind, reason in _KINDS:
        if is_kind(found.st_mode):
            raise InputError(f"cannot read {path}: {reason}")
    return found.st_size


@contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """The regular file at `path`, open for reading; raises `InputError` as `require_regular_file` does."""
    require_regular_file(path)
    with _refusals_in_one_line(path), open(path, "rb") as file:
        yield file


def read_bytes(path: str | Path) -> bytes:
    """The content of the regular file at `path`; raises `InputError` as `require_regular_file` does."""
    with opened(path) as file:
        return file.read()


@contextmanager
def _refusals_in_one_line(path: str | Path) -> Iterator[None]:
    """Turn an error of the file system into an `InputError` of one line with the path."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"cannot read {path}: there is no such file; check the path") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
