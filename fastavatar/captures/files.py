"""Looks at a capture's files; every refusal of the file system becomes an error of one line.

A calibration may name pictures by absolute paths and by paths that go up: VHAP's joined data sets and
instant-ngp write such paths. They are followed on purpose: a capture is the user's own data, and the files
are only decoded as pictures, masks, points or FLAME parameters. Only regular files are opened.
"""

import os
import stat
from pathlib import Path

from fastavatar.errors import InputError

MAX_NAME_BYTES = 255
"""The longest name of a file or folder on the file systems of Linux, macOS and Windows."""
MAX_PATH_BYTES = 4095
"""Linux's PATH_MAX without the final zero."""
_SHOWN_CHARACTERS = 80  # chosen by eye: a message stays one line on a wide terminal


def is_file(path: Path) -> bool:
    """Whether `path` is a regular file; raises `InputError` if the file system denies access."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder; raises `InputError` if the file system denies access."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def names_in(folder: Path) -> list[str]:
    """Sorted names in `folder`, empty if it does not exist; raises `InputError` if it is unreadable."""
    if not is_folder(folder):
        return []
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise _refused(folder, error) from error


def path_from(folder: Path, name: object, what: str) -> Path:
    """The path for the file name `name` in a calibration in `folder`; `what` describes it in messages.

    Raises `InputError` for anything but text that a file system can hold.
    """
    if not isinstance(name, str) or not Path(name).name:
        raise InputError(f"{what} must be the name of a file, found {shown(name)}")
    try:
        parts = [part.encode("utf-8") for part in name.replace("\\", "/").split("/")]
    except UnicodeEncodeError as error:
        raise InputError(f"{what} {shown(name)} is not valid Unicode") from error
    if not name.isprintable():
        raise InputError(f"{what} {shown(name)} contains control characters")
    longest, total = max(map(len, parts)), sum(map(len, parts)) + len(parts) - 1
    if longest > MAX_NAME_BYTES or total > MAX_PATH_BYTES:
        raise InputError(
            f"{what} {shown(name)} is too long: {total} bytes, {longest} of them in one name; a file system "
            f"holds {MAX_PATH_BYTES} and {MAX_NAME_BYTES}"
        )
    path = folder / name
    if "\\" in name and not is_file(path):  # written on Windows
        return folder / name.replace("\\", "/")
    return path


def shown(value: object) -> str:
    """A value for a message: on one line, with control characters escaped, cut if it is long."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _mode(path: Path) -> int | None:
    """The file's mode, links followed; None if there is no such file."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _refused(path, error) from error
    except ValueError as error:  # a null character, or text that the locale cannot encode
        raise InputError(f"no file can be called {shown(str(path))}") from error


def _refused(path: Path, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(f"cannot read {shown(str(path))}: {reason}")
