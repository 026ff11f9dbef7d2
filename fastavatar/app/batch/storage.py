"""Reads photos and writes results at addresses: `s3://`, `gs://`, `http://`, and all that fsspec knows.

An address is a string with `://`; every other string is a path on this machine.
"""

import mimetypes
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from fastavatar.errors import FastAvatarError, InputError
from fastavatar.system import workspace

_BRIEFLY = "?retry_limit_seconds=30"  # by default pyarrow retries to find credentials for minutes
_OPTIONS = {
    "s3": "?allow_delayed_open=true",  # a small file is one request, so a killed run leaves no parts
    "gs": _BRIEFLY,
    "gcs": _BRIEFLY,
}
"""Options that pyarrow takes as part of the address, by scheme."""
_WITHOUT_FOLDERS = ("s3", "gcs")
"""pyarrow's names of file systems without folders: there a folder is only a prefix of file names."""


def is_address(place: str) -> bool:
    """Whether `place` is an address rather than a path."""
    return "://" in place


def join(place: str, name: str) -> str:
    """Path or address of the file or folder `name` in the folder `place`."""
    return f"{place.rstrip('/')}/{name}" if is_address(place) else str(Path(place) / name)


@contextmanager
def local_copy(photo: str) -> Iterator[Path]:
    """A file on this machine with the photo; a photo at an address is deleted again when the block ends.

    Raises `InputError` when the photo cannot be downloaded.
    """
    if not is_address(photo):
        yield Path(photo)
        return
    with workspace() as folder:
        local = folder / ("photo" + posixpath.splitext(urlsplit(photo).path)[1])
        local.write_bytes(read(photo))
        yield local


def read(place: str) -> bytes:
    """The content of the file at a path or address; raises `InputError` when it cannot be read."""
    with _failures_in_one_line("read", place):
        if not is_address(place):
            return Path(place).read_bytes()
        system, path = _system_of(place)
        with system.open_input_stream(path) as stream:
            return bytes(stream.read())


def write(address: str, content: bytes) -> None:
    """Write a file at an address; raises `FastAvatarError` when that fails."""
    with _failures_in_one_line("write", address):
        system, path = _system_of(address)
        if system.type_name not in _WITHOUT_FOLDERS:  # there it would create empty files, or a bucket
            system.create_dir(posixpath.dirname(path), recursive=True)
        # without its type a browser saves a page instead of showing it
        kind, _ = mimetypes.guess_type(posixpath.basename(path))
        with system.open_output_stream(path, metadata={"Content-Type": kind} if kind else None) as stream:
            stream.write(content)


@contextmanager
def opened(place: str) -> Iterator[Any]:
    """A file at a path or address, open for reading; raises `InputError` when it cannot be read."""
    with _failures_in_one_line("read", place):
        if not is_address(place):
            with open(place, "rb") as file:
                yield file
            return
        system, path = _system_of(place)
        with system.open_input_file(path) as file:
            yield file


def names_in(address: str) -> set[str]:
    """Names of the files that lie in the folder at an address; none where there is no such folder."""
    return set(sizes_in(address))


def sizes_in(folder: str) -> dict[str, int]:
    """Name → size in bytes of each file in a folder, a path or address; empty if there is no such folder.

    Raises `InputError` when the folder cannot be read.
    """
    with _failures_in_one_line("read", folder):
        if not is_address(folder):
            if not os.path.isdir(folder):
                return {}
            entries = os.scandir(folder)
            return {
                entry.name: entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False)
            }
        from pyarrow.fs import FileSelector

        system, path = _system_of(folder)
        found = system.get_file_info(FileSelector(path, allow_not_found=True))
    return {info.base_name: info.size for info in found if info.is_file}


def files_below(address: str) -> Iterator[str]:
    """Addresses of all files below the folder at `address`, sorted."""
    from pyarrow.fs import FileSelector

    with _failures_in_one_line("read", address):
        system, path = _system_of(address)
        found = system.get_file_info(FileSelector(path, recursive=True))
    inside = path.rstrip("/") + "/"
    names = sorted(info.path.removeprefix(inside) for info in found if info.is_file)
    return (join(address, name) for name in names)


def _system_of(address: str) -> tuple[Any, str]:
    """Pyarrow's file system for an address, and the path in it."""
    import pyarrow
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    split = urlsplit(address)
    if split.scheme not in ("http", "https"):
        try:
            system, root = _own_system(split.scheme, split.netloc)
            return system, f"{root}/{address.split('://', 1)[1].partition('/')[2]}"
        except pyarrow.ArrowInvalid:
            pass  # not one of pyarrow's own
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    return PyFileSystem(FSSpecHandler(system)), path


@lru_cache(maxsize=16)
def _own_system(scheme: str, bucket: str) -> tuple[Any, str]:
    """One of pyarrow's own file systems and its root; cached, to keep connections and credentials.

    pyarrow gets only the bucket as an address, because file names may hold characters that need quoting.
    """
    from pyarrow.fs import FileSystem

    system, root = FileSystem.from_uri(f"{scheme}://{bucket}/{_OPTIONS.get(scheme, '')}")
    return system, root.rstrip("/")


@contextmanager
def _failures_in_one_line(what: Literal["read", "write"], address: str) -> Iterator[None]:
    """Raise any error of a file system's driver as an error of one line: `InputError` for reading."""
    kind = InputError if what == "read" else FastAvatarError
    try:
        yield
    except FileNotFoundError:
        hint = "there is no such file; check the address (the address of a folder ends with /)"
        reason = hint if what == "read" else "there is no such bucket; check the address"
        raise kind(f"cannot {what} {address}: {reason}") from None
    except Exception as error:  # every driver raises its own classes
        reason = str(error).partition(" error_info=")[0]  # Google's driver repeats the message after that
        raise kind(f"cannot {what} {address}: {' '.join(reason.split()) or type(error).__name__}") from error
