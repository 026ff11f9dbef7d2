"""Takes of Live Link Face that the tests make up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fastavatar.head import ARKIT_NAMES

TURNS = tuple(
    f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll")
)
COLUMNS = ("Timecode", "BlendshapeCount", *(name[0].upper() + name[1:] for name in ARKIT_NAMES), *TURNS)


Frame = tuple[str, Mapping[str, float]]
"""Timecode of a frame, and what is not 0 in it, by column."""


def timecode(frame: float, rate: int = 60, start_s: int = 14 * 3600 + 3 * 60 + 52) -> str:
    """The timecode `frame` frames after `start_s` seconds of the day."""
    seconds = (start_s + int(frame // rate)) % 86400
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours:02}:{minutes:02}:{seconds % 60:02}:{frame % rate:06.3f}"


def write_take(path: Path, frames: Sequence[Frame], columns: Sequence[str] = COLUMNS) -> Path:
    """Write frames of a timecode and what is not 0 in them, by column."""
    rows = [",".join(columns)]
    for code, values in frames:
        cells = {"Timecode": code, "BlendshapeCount": "61"}
        rows.append(",".join(cells.get(name) or f"{values.get(name, 0):.6f}" for name in columns))
    path.write_text("\n".join(rows) + "\n")
    return path
