"""Takes of Apple's ARKit recorded by the app Live Link Face, as CSV.

One row a frame: `Timecode`, `BlendshapeCount`, the 52 weights in capitals (`EyeBlinkLeft` …), and the turns
of head and eyes in radians. The gaze is read from the weights `EyeLook…`, which say the same as the turns of
the eyes.
"""

import csv
import io
import logging
import re
from pathlib import Path

import numpy as np

from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import Motion, Samples, within_bounds
from fastavatar.system import read_bytes

log = logging.getLogger(__name__)

MAX_BYTES = 300_000_000
"""Largest file: an hour at 60 frames a second has 130 MB."""
DAY_S = 86400.0
RATES = (24.0, 25.0, 30.0, 48.0, 50.0, 60.0)
"""Frames a second that a timecode can count."""
USUAL_RATE = 60.0
"""The app's own frame rate, for a take that is too short to show another."""
SAME_RATE = 0.03
"""A measured rate this near one of `RATES`, as a share, is that one: 29.97 is counted as 30."""
_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3}(?:\.\d+)?)")
_HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
_KNOWN_ELSEWHERE = {"timecode", "blendshapecount"} | {
    f"{side}eye{angle}" for side in ("left", "right") for angle in ("yaw", "pitch", "roll")
}


def read_live_link(path: Path) -> Motion:
    """The motion of a take; frames without a face and dropped ones are bridged, with a warning.

    Columns are known by name in any case and order: unknown ones are named and ignored, missing ones are 0.
    Raises `InputError` for a file that is no such take or is damaged.
    """
    header, rows = _table(path)
    columns = _columns(header, path)
    cells = [
        [row[index].strip() if index < len(row) else "" for index in columns.values()] for _, row in rows
    ]
    seen = [any(row) for row in cells]  # the app leaves the weights out while it sees no face
    if not any(seen):
        raise InputError(f"cannot read {path}: none of its frames holds a face")
    numbers = [
        [_number(text, name, path, line) for name, text in zip(columns, row, strict=True)]
        for (line, _), row, face in zip(rows, cells, seen, strict=True)
        if face
    ]
    table = dict(zip(columns, np.array(numbers).T, strict=True))
    absent = np.zeros(len(numbers))
    weights = np.stack([table.get(name.lower(), absent) for name in ARKIT_NAMES], 1)
    yaw, pitch, roll = (table.get(name.lower(), absent) for name in _HEAD)
    # Angles of Unreal's rotator: they grow to the person's right, downward, and toward the left shoulder
    turns = np.degrees(np.stack([-yaw, -pitch, roll], 1))
    seconds, fps = _clock([row[header.index("timecode")] for _, row in rows], path)
    frames = round(float(seconds[-1]) * fps) + 1
    if frames > len(numbers):
        log.warning("%s: frames bridged, dropped or without a face: %d", path, frames - len(numbers))
    return Samples(seconds[seen], within_bounds(weights, path), turns).motion(fps, frames, path)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header in lower case, and every other row that is not blank with its line's number."""
    content = read_bytes(path)
    if len(content) > MAX_BYTES:
        raise InputError(f"cannot read {path}: {len(content) / 1e6:.0f} MB are too large for a take; cut it")
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: it is no CSV in UTF-8 ({error})") from error
    if len(rows) < 2:
        raise InputError(f"cannot read {path}: it holds no frames; record the take again")
    header = [cell.strip().lower() for cell in rows[0][1]]
    if "timecode" not in header or not {name.lower() for name in ARKIT_NAMES} & set(header):
        raise InputError(
            f"cannot read {path}: it is no take of Live Link Face, whose first line has Timecode, "
            "BlendshapeCount and the names of the 52 expressions"
        )
    return header, rows[1:]


def _columns(header: list[str], path: Path) -> dict[str, int]:
    """Where each number that is read stands; what is unknown, missing or double is reported."""
    wanted = {name.lower(): name for name in (*ARKIT_NAMES, *_HEAD)}
    doubled = {name for name in header if name and header.count(name) > 1}
    if doubled:
        raise InputError(f"cannot read {path}: the column {min(doubled)!r} stands there twice")
    unknown = [name for name in header if name and name not in wanted.keys() | _KNOWN_ELSEWHERE]
    if unknown:
        log.warning("%s: unknown columns are ignored: %s", path, ", ".join(unknown))
    missing = [wanted[name] for name in wanted if name not in header]
    if missing:
        log.warning("%s: missing columns are 0: %s", path, ", ".join(missing))
    return {name: header.index(name) for name in wanted if name in header}


def _number(text: str, name: str, path: Path, line: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise InputError(f"cannot read {path}: line {line} has {text[:20]!r} for {name}, not a number")
    return number


def _clock(timecodes: list[str], path: Path) -> tuple[Array, float]:
    """Seconds (K,) from the first of timecodes `h:m:s:frame.part`, and the frames per second."""
    fields = []
    for timecode in timecodes:
        found = _TIMECODE.fullmatch(timecode.strip())
        if not found:
            raise InputError(f"cannot read {path}: {timecode[:30]!r} is no timecode such as 14:03:52:28.207")
        fields.append([float(field) for field in found.groups()])
    hours, minutes, whole, frames = np.array(fields).T
    whole = whole + 60 * minutes + 3600 * hours
    counted = _counted_rate(whole, frames)
    seconds = whole + frames / counted
    seconds += DAY_S * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -DAY_S / 2)  # midnight
    steps = np.diff(seconds)
    if (steps <= 0).any():
        at = timecodes[int(np.argmax(steps <= 0)) + 1]
        raise InputError(f"cannot read {path}: the time does not go on at {at}; export the take again")
    measured = 1 / float(np.median(steps)) if len(steps) else counted
    near = min(RATES, key=lambda rate: abs(rate - measured))
    return seconds - seconds[0], near if abs(near - measured) < SAME_RATE * near else measured


def _counted_rate(whole: Array, frames: Array) -> float:
    """How many frames a timecode counts in a second: the least usual number above all that occur.

    A take shorter than a second may not show the highest one; then it is the app's own.
    """
    most = float(frames.max())
    if whole[-1] - whole[0] < 2:
        return max(USUAL_RATE, float(np.floor(most)) + 1)
    return next((rate for rate in RATES if most < rate), float(np.floor(most)) + 1)
