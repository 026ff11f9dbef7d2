"""A motion as JSON: `{"fps": 30, "frames": [{"jawOpen": 0.4, "headYaw": 10}, …]}`.

Each frame holds weights 0…1 by ARKit's names, and the turn of the head as `headYaw`, `headPitch` and
`headRoll` in degrees with the signs of `summary.json`. What a frame leaves out is 0.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from fastavatar.errors import InputError
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import Motion, Samples, within_bounds
from fastavatar.system import read_bytes

log = logging.getLogger(__name__)

MAX_BYTES = 300_000_000
"""Largest file: an hour at 60 frames a second with all names has 250 MB."""
FPS_RANGE = (1.0, 240.0)
MOST = 1e6
"""Numbers from here on are neither weights nor degrees."""
_TURNS = ("headYaw", "headPitch", "headRoll")
_COLUMNS = {name: index for index, name in enumerate((*ARKIT_NAMES, *_TURNS))}


def read_weights_json(path: Path) -> Motion:
    """The motion in a JSON file; unknown names are named and ignored.

    Raises `InputError` for a file that does not hold one.
    """
    content = read_bytes(path)
    if len(content) > MAX_BYTES:
        raise InputError(
            f"cannot read {path}: {len(content) / 1e6:.0f} MB are too large for a motion; cut it"
        )
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: it is no JSON ({error})") from error
    frames = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise InputError(f'cannot read {path}: a motion is {{"fps": 30, "frames": [{{"jawOpen": 0.4}}, …]}}')
    fps = _fps(data, path)
    unknown = sorted({name for frame in frames for name in frame} - set(_COLUMNS))
    if unknown:
        log.warning("%s: unknown names are ignored: %s", path, ", ".join(unknown))
    table = np.zeros((len(frames), len(_COLUMNS)))
    for row, frame in enumerate(frames):
        for name, value in frame.items():
            if name in _COLUMNS:
                table[row, _COLUMNS[name]] = _number(value, f"{name} of frame {row}", path)
    weights, turns = np.split(table, [len(ARKIT_NAMES)], 1)
    samples = Samples(np.arange(len(frames)) / fps, within_bounds(weights, path), turns)
    return samples.motion(fps, len(frames), path)


def _fps(data: dict[str, Any], path: Path) -> float:
    fps = _number(data.get("fps"), "fps", path)
    if not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        raise InputError(
            f"cannot read {path}: fps must be within {FPS_RANGE[0]:g}…{FPS_RANGE[1]:g}, found {fps:g}"
        )
    return fps


def _number(value: object, what: str, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MOST:
        raise InputError(f"cannot read {path}: {what} must be a finite number, found {str(value)[:20]!r}")
    return float(value)
