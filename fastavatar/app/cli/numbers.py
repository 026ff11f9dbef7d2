"""Types of the values of flags: a command starts only with valid values; others exit with code 2.

Click's own types accept `nan` in every range, and integers that are too large for the code that gets them.
"""

import math
import os
import re
from pathlib import Path
from typing import Any

import click

from fastavatar.system import MAX_THREADS

MAX_NAME_BYTES = 255
"""The longest name of a file or folder on Linux, macOS and Windows file systems."""
MAX_PATH_BYTES = 4095
"""Linux's PATH_MAX without the final zero."""


class FiniteFloat(click.FloatRange):
    """A finite number within bounds, written in ASCII digits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; fails for nan and infinities, and outside the bounds."""
        # Python takes digits of any script, and underscores between them
        if isinstance(value, str) and (not value.isascii() or "_" in value):
            self.fail(f"{value!r} is not a number", param, ctx)
        number = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return float(super().convert(number, param, ctx))


class WholeNumber(click.IntRange):
    """An integer within bounds, written in ASCII digits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; fails for anything but a whole number within the bounds."""
        if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]{1,4000}", value.strip()):
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return int(super().convert(value, param, ctx))


class Indices(click.types.StringParamType):
    """Numbers from 0, separated by commas, as the text they were written in."""

    name = "indices"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; fails unless it is a list of numbers."""
        if not re.fullmatch(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*)*", value):
            self.fail(f"{value!r} is not a list of numbers from 0, such as 0,2", param, ctx)
        return str(value)


class ViewIndex(click.types.StringParamType):
    """A number from 0, or `all`, as text."""

    name = "view"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; fails unless it is one of the two."""
        if value != "all" and not re.fullmatch(r"[0-9]{1,9}", value):
            self.fail(f"{value!r} is neither a number from 0 nor 'all'", param, ctx)
        return str(value)


class SheetSize(click.types.StringParamType):
    """Columns and rows of a sheet of pictures, such as 3x2."""

    name = "grid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Both numbers; fails for anything but two from 1 to 99."""
        found = (
            re.fullmatch(r"\s*([1-9][0-9]?)[xX×]([1-9][0-9]?)\s*", value) if isinstance(value, str) else None
        )
        if found is None:
            self.fail(f"{value!r} is not a number of columns and of rows, such as 3x2", param, ctx)
        return int(found[1]), int(found[2])


class PictureSize(click.types.StringParamType):
    """Width and height of a picture in pixels, such as 550x802."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Both numbers; fails for anything but two from 16 to 4096."""
        found = (
            re.fullmatch(r"\s*([0-9]{2,4})[xX×]([0-9]{2,4})\s*", value) if isinstance(value, str) else None
        )
        sides = (int(found[1]), int(found[2])) if found else (0, 0)
        if not all(16 <= side <= 4096 for side in sides):
            self.fail(f"{value!r} is not a width and height from 16 to 4096, such as 550x802", param, ctx)
        return sides


class FileName(click.Path):
    """A path, or a web or storage address, whose names are valid for a file system."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as click returns it; fails for an empty name and for one too long for any file system."""
        text = os.fspath(value)
        if not text:
            self.fail("the name is empty", param, ctx)
        if "://" not in text:
            longest = max(len(os.fsencode(part)) for part in re.split(r"[/\\]", text))
            if longest > MAX_NAME_BYTES:
                self.fail(
                    f"a name in it has {longest} bytes, at most {MAX_NAME_BYTES} are possible", param, ctx
                )
            if (length := len(os.fsencode(text))) > MAX_PATH_BYTES:
                self.fail(f"the path has {length} bytes, at most {MAX_PATH_BYTES} are possible", param, ctx)
        return super().convert(value, param, ctx)


def finite(low: float | None = None, high: float | None = None, above: bool = False) -> FiniteFloat:
    """A finite number from `low` to `high`, both included unless `above` excludes `low`."""
    return FiniteFloat(low, high, min_open=above)


def count(low: int = 0, high: int = 1_000_000) -> WholeNumber:
    """A whole number from `low` to `high`, by default beyond any use and far from overflow."""
    return WholeNumber(low, high)


SEED = WholeNumber(0, 2**32 - 1)
"""Seeds that every random generator accepts; NumPy's legacy generator has the smallest range."""
THREADS = WholeNumber(1, MAX_THREADS)
FACE = WholeNumber(0, 999)
PORT = WholeNumber(0, 65535)
FILE = FileName(path_type=Path)
FOLDER = FileName(path_type=Path, file_okay=False)
FILE_AS_TEXT = FileName()
INDICES = Indices()
VIEW_INDEX = ViewIndex()
