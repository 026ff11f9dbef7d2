"""Reads YAML that a user gives: plain values, not too many, not too deep."""

from pathlib import Path
from typing import Any

import yaml

from fastavatar.errors import InputError, UsageError

MAX_BYTES = 100_000
"""Largest file that is read: a hundred times the longest preset."""
MAX_VALUES = 10_000


def text_of(path: Path, presets: tuple[str, ...]) -> str:
    """The text of a user's file; raises `UsageError` for no file, `InputError` for one that is not text.

    The message names the `presets` that may be meant instead.
    """
    try:
        if not path.is_file():
            raise UsageError(f"{path} is neither a file nor one of the presets {', '.join(presets)}")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path} is no configuration: it has more than {MAX_BYTES:,} bytes")
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot read {path}: {reason}; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: save it as UTF-8 ({error.reason})") from error


def parse_yaml(text: str, source: str | Path) -> Any:
    """The values in a YAML text; raises `InputError`, which names `source`, for anything but plain values."""
    try:
        found = yaml.safe_load(text)
        _count(found, MAX_VALUES)
    except RecursionError:
        raise InputError(f"{source} is no configuration: it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise InputError(f"{source} is no YAML: {' '.join(str(error).split())}") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # PyYAML's constructors let these out: for `2001-99-99`, `!!bool maybe`, `!!int ""`
        raise InputError(f"{source} is no YAML: a value cannot be read ({error})") from error
    return found


def _count(found: Any, left: int) -> int:
    """How many of `left` values remain after those in `found`; an alias counts as all it stands for.

    Raises `ValueError` where none remain: a few lines of aliases can stand for a billion values.
    """
    if left <= 0:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    children = [*found, *found.values()] if isinstance(found, dict) else found
    if isinstance(children, list | tuple | set):
        for child in children:
            left = _count(child, left - 1)
    return left
