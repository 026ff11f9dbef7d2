"""A task is one photo and its folder of results; a row states how the task ended.

The output folder mirrors the structure of the photos' base folder. A folder of results has the photo's whole
name, ending included, so `a/me.jpg`, `b/me.jpg` and `a/me.png` have separate folders, and a folder's place
does not depend on which other photos there are.
"""

import json
import math
import os
import posixpath
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fastavatar.app.batch import is_address, join
from fastavatar.errors import DeviceError, FastAvatarError, UsageError, out_of_memory

Mode = Literal[
    "new",  # there must be no results yet
    "resume",  # complete results stay, the other photos are done
    "force",  # every photo is done, existing results are replaced
]


@dataclass(frozen=True)
class PhotoTask:
    """One photo to turn into one folder of results."""

    photo: str
    """Path or address, as it was listed."""
    output: str
    """The folder its results go to."""


@dataclass(frozen=True)
class Row:
    """The outcome of one photo: a line of the index."""

    photo: str
    """Path or address, as it was listed."""
    status: Literal["ok", "failed"]
    """`ok` if the folder of results is complete, `failed` if there is none."""
    error_code: int
    """The exit code that `predict` would have had: 0 for `ok`."""
    error: str
    """Why the photo failed, in one line; empty for `ok`."""
    count: int
    """Number of Gaussians; 0 for `failed`."""
    seconds: float
    """Seconds of work on this photo: reading, predicting, writing, without time in queues."""
    model: str
    """`facemesh` or `fastavatar`; empty if the photo did not reach a model."""
    output: str
    """The folder of results."""

    def to_line(self) -> bytes:
        """The row as one line of JSON, line break included; file names of any bytes survive."""
        return json.dumps(asdict(self)).encode("ascii") + b"\n"


FIELDS = tuple(Row.__dataclass_fields__)


def parse_row(line: bytes) -> Row | None:
    """The row of a line; None if the line is torn, as by a power cut, or is not a row of this program."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return checked_row(found) if isinstance(found, dict) and found.keys() == set(FIELDS) else None


def checked_row(found: dict[str, Any]) -> Row | None:
    """The row with these values, which may have any type; None unless each is valid for its field of `Row`.

    A file that was edited by hand, or a summary of another program, may hold anything.
    """
    numbers, texts = ("error_code", "count", "seconds"), ("photo", "error", "model", "output")
    try:
        good = (
            all(type(found[name]) is str and os.fsencode(found[name]) is not None for name in texts)
            and not any("\0" in found[name] for name in ("photo", "output"))
            and all(type(found[name]) is int for name in numbers[:2])
            and type(found["seconds"]) in (int, float)
            and math.isfinite(found["seconds"])
            and 0 <= found["error_code"] < 2**31  # the range of the table's columns
            and 0 <= found["count"] < 2**63
            and found["status"] in ("ok", "failed")
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return Row(**{**found, "seconds": float(found["seconds"])}) if good else None


def failed_row(task: PhotoTask, error: Exception, seconds: float, model: str = "") -> Row:
    """The row of a photo that failed with `error`; `seconds` is the time spent on it."""
    if isinstance(error, FastAvatarError):
        code, reason = error.exit_code, str(error)
    elif out_of_memory(error):
        code, reason = DeviceError.exit_code, "out of memory: use a smaller photo or fewer workers"
    else:
        code, reason = FastAvatarError.exit_code, f"{type(error).__name__}: {error}"
    reason = " ".join(reason.split())
    return Row(task.photo, "failed", code, reason, 0, round(seconds, 3), model, task.output)


def task_of(photo: str, base: str, output_dir: str) -> PhotoTask:
    """The photo with its own folder below `output_dir`.

    Raises `UsageError` if that folder would have the path of the photo itself, and what `place_of` raises.
    """
    output = join(output_dir, place_of(photo, base))
    if (
        photo == output
        or not is_address(photo + output)
        and os.path.abspath(photo) == os.path.abspath(output)
    ):
        raise UsageError(
            f"the results of {photo} would go to a folder with the name of the photo: "
            "choose another output folder"
        )
    return PhotoTask(photo, output)


def place_of(photo: str, base: str) -> str:
    """The photo's path relative to `base`, or to the root of the file system if it lies outside `base`.

    For an address outside `base`, scheme and host become folders: `http/host/me.jpg`.

    Raises `UsageError` if another photo, in `base`, has the same place.
    """
    if is_address(photo):
        place = photo.removeprefix(join(base, "")).replace("://", "/")
        return posixpath.normpath("/" + place).lstrip("/")  # `..` must not lead out of the output folder
    whole = os.path.abspath(photo)
    place = os.path.relpath(whole, os.path.abspath(base))
    if place.split(os.sep)[0] != os.pardir:
        return place
    place = os.path.splitdrive(whole)[1].lstrip(os.sep)
    twin = os.path.join(base, place)
    if os.path.exists(twin):
        raise UsageError(f"the results of {photo} and {twin} would go to one folder: use separate runs")
    return place
