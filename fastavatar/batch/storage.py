"""Photos and results that lie elsewhere: `s3://`, `gs://` and what else pyarrow and fsspec know, `http://`.

An address is a string with `://`; everything else is a path of this machine.
"""

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from fastavatar.errors import FastAvatarError, InputError

_CHUNK = 1 << 20


def is_address(place: str) -> bool:
    """Whether `place` is an address and no path."""
    return "://" in place


def join(place: str, name: str) -> str:
    """The file or folder `name` in a folder of either kind."""
    return f"{place.rstrip('/')}/{name}" if is_address(place) else str(Path(place) / name)


@contextmanager
def at_hand(photo: str) -> Iterator[Path]:
    """The photo as a file of this machine; one from elsewhere is gone when the block ends.

    Raises `InputError` when it cannot be fetched.
    """
    if not is_address(photo):
        yield Path(photo)
        return
    with TemporaryDirectory(prefix="fastavatar-") as folder:
        local = Path(folder) / ("photo" + posixpath.splitext(urlsplit(photo).path)[1])
        local.write_bytes(read(photo))
        yield local


def read(address: str) -> bytes:
    """What lies at an address; raises `InputError` when it cannot be read."""
    with _failures_told("read", address):
        system, path = _system_of(address)
        with system.open_input_stream(path) as stream:
            return bytes(stream.read())


def write(address: str, content: bytes) -> None:
    """Put a file at an address; raises `FastAvatarError` when that fails."""
    with _failures_told("write", address):
        system, path = _system_of(address)
        system.create_dir(posixpath.dirname(path), recursive=True)
        with system.open_output_stream(path) as stream:
            stream.write(content)


def names_in(address: str) -> set[str]:
    """Names of the files that lie in the folder at an address; none where there is no such folder."""
    from pyarrow.fs import FileSelector

    with _failures_told("read", address):
        system, path = _system_of(address)
        found = system.get_file_info(FileSelector(path, allow_not_found=True))
    return {info.base_name for info in found if info.is_file}


def files_below(address: str) -> Iterator[str]:
    """Addresses of all files below a folder's, in order."""
    from pyarrow.fs import FileSelector

    with _failures_told("read", address):
        system, path = _system_of(address)
        found = system.get_file_info(FileSelector(path, recursive=True))
    inside = path.rstrip("/") + "/"
    names = sorted(info.path.removeprefix(inside) for info in found if info.is_file)
    return (join(address, name) for name in names)


def _system_of(address: str) -> tuple[Any, str]:
    """The file system of an address, as pyarrow sees them, and the path in it."""
    import pyarrow
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    split = urlsplit(address)
    if split.scheme not in ("http", "https"):
        try:
            # only the bucket: a name may hold what an address would have to quote
            system, root = FileSystem.from_uri(f"{split.scheme}://{split.netloc}/")
            return system, f"{root.rstrip('/')}/{address.split('://', 1)[1].partition('/')[2]}"
        except pyarrow.ArrowInvalid:
            pass  # not one of pyarrow's own
    import fsspec

    system, path = fsspec.core.url_to_fs(address)
    return PyFileSystem(FSSpecHandler(system)), path


@contextmanager
def _failures_told(what: str, address: str) -> Iterator[None]:
    """Turn whatever a file system's driver raises into one line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"cannot {what} {address}: there is no such file; check the address") from None
    except Exception as error:  # each driver has errors of its own
        kind = InputError if what == "read" else FastAvatarError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise kind(f"cannot {what} {address}: {reason}") from error
