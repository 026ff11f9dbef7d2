"""Reads `transforms.json` of VHAP, NeRSemble exports and NeRF tools: OpenGL axes, camera-to-world."""

import json
import logging
import math
from collections import ChainMap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastavatar.captures import Calibration, Frame, is_file, lens_from, path_from, shown
from fastavatar.errors import InputError, UsageError

log = logging.getLogger(__name__)

MAX_BYTES = 500_000_000
"""Size limit in bytes; VHAP's file for ten thousand time steps of 16 cameras has 190 MB."""
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")  # files of the original NeRF code omit the ending
_DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


def read_transforms(path: Path, timestep: int | None = None) -> Calibration:
    """The calibration in a transforms.json of any name, for the first time step or that of index `timestep`.

    Raises `InputError` with the file, and with the frame if the error is in one; `UsageError` for a time step
    that the file does not have.
    """
    content = _content(path)
    entries = content.get("frames")
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: there is no list 'frames' with at least one frame")
    sources = [_source(path, number, entry) for number, entry in enumerate(entries)]
    steps = [_timestep(source, entry) for source, entry in zip(sources, entries, strict=True)]
    chosen = _chosen(path, steps, timestep)
    frames = [_frame(path.parent, sources[number], ChainMap(entries[number], content)) for number in chosen]
    flame = entries[chosen[0]].get("flame_param_path")
    points = content.get("ply_file_path")
    return Calibration(
        frames,
        points_path=None if points is None else path_from(path.parent, points, f"{path}: ply_file_path"),
        flame_path=None
        if flame is None
        else path_from(path.parent, flame, f"{sources[chosen[0]]}: flame_param_path"),
    )


def timesteps_in(path: Path) -> tuple[int, ...]:
    """Indices of the time steps in a transforms.json, sorted; raises `InputError` for a damaged file."""
    entries = _content(path).get("frames")
    steps = [
        _timestep(_source(path, number, entry), entry)
        for number, entry in enumerate(entries if isinstance(entries, list) else [])
    ]
    return tuple(sorted({step for step in steps if step is not None}))


def _content(path: Path) -> dict[str, Any]:
    """The file's JSON object; raises `InputError` if the file holds no JSON object."""
    if not is_file(path):
        raise InputError(f"cannot read {path}: there is no such file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than {MAX_BYTES // 10**6} MB, which no transforms.json is")
        content = json.loads(path.read_text("utf-8-sig"))
    except RecursionError as error:
        raise InputError(f"cannot read {path}: its values are nested too deeply") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: a JSON object with a list 'frames' is needed, found {shown(content)}")
    return content


def _source(path: Path, number: int, entry: object) -> str:
    """The name of a frame in messages; raises `InputError` if the frame names no image."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
        raise InputError(f"{path}: frame {number} names no 'file_path'")
    name = entry["file_path"]
    readable = name.isprintable() and len(name) <= 100
    return f"{path}: frame {number} ({name if readable else shown(name)})"


def _timestep(source: str, entry: Mapping[str, Any]) -> int | None:
    """The frame's time step; None if it has none."""
    step = entry.get("timestep_index")
    if step is None or (isinstance(step, int) and not isinstance(step, bool)):
        return step
    raise InputError(f"{source}: timestep_index must be a whole number, found {shown(step)}")


def _chosen(path: Path, steps: Sequence[int | None], timestep: int | None) -> list[int]:
    """Indices of the frames of `timestep`, by default the first; frames without a time step are always in."""
    known = sorted({step for step in steps if step is not None})
    if timestep is not None and timestep not in known:
        have = f"its time steps are {known[0]} to {known[-1]}" if known else "it is not a sequence"
        raise UsageError(f"{path} has no time step {timestep}: {have}")
    wanted = timestep if timestep is not None or not known else known[0]
    if timestep is None and len(known) > 1:
        log.warning(
            "%s is a sequence of %d time steps, %d to %d: only step %d is read",
            *(path, len(known), known[0], known[-1], known[0]),
        )
    return [number for number, step in enumerate(steps) if step is None or step == wanted]


def _frame(folder: Path, source: str, found: Mapping[str, Any]) -> Frame:
    """One frame; `found` has its values, and those of the top level for missing keys."""
    image = _with_ending(path_from(folder, found["file_path"], f"{source}: file_path"))
    mask = found.get("fg_mask_path") or found.get("mask_path")
    focal_px, view_angles = _focal(source, found)
    center, size = _pair(source, found, "cx", "cy"), _pair(source, found, "w", "h")
    if size is not None and not all(math.isfinite(side) and side == int(side) for side in size):
        raise InputError(f"{source}: w and h must be whole numbers, found {size[0]} and {size[1]}")
    numbers = {key: _number(source, found, key) for key in _DISTORTION if found.get(key) is not None}
    model = _model(source, found)
    try:
        lens = lens_from(model, numbers)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    return Frame(
        source,
        image,
        None if mask is None else path_from(folder, mask, f"{source}: its mask"),
        focal_px,
        center,
        None if size is None else (int(size[0]), int(size[1])),
        lens,
        _world_to_camera(source, found),
        view_angles,
    )


def _with_ending(image: Path) -> Path:
    """The image's path; a missing ending is taken from an existing file."""
    if is_file(image):
        return image
    candidates = (image.with_name(image.name + ending) for ending in _ENDINGS)
    there = next((path for path in candidates if len(path.name.encode()) < 256 and is_file(path)), None)
    return there or (image if image.suffix else image.with_suffix(_ENDINGS[0]))


def _focal(
    source: str, found: Mapping[str, Any]
) -> tuple[tuple[float, float] | None, tuple[float, float | None] | None]:
    """Focal lengths in pixels, horizontal and vertical, or else fields of view in radians, likewise."""
    if found.get("fl_x") is None and found.get("camera_angle_x") is not None:
        down = _number(source, found, "camera_angle_y") if found.get("camera_angle_y") is not None else None
        return None, (_number(source, found, "camera_angle_x"), down)
    across = _number(source, found, "fl_x")
    return (across, _number(source, found, "fl_y") if found.get("fl_y") is not None else across), None


def _pair(source: str, found: Mapping[str, Any], one: str, other: str) -> tuple[float, float] | None:
    """Two numbers of the file; None unless both are given."""
    if found.get(one) is None or found.get(other) is None:
        return None
    return _number(source, found, one), _number(source, found, other)


def _number(source: str, found: Mapping[str, Any], key: str) -> float:
    """A number of the file, which may be infinite or NaN; raises `InputError` for anything else."""
    value = found.get(key)
    if value is None:
        raise InputError(f"{source}: '{key}' is missing")
    return _as_number(source, key, value)


def _as_number(source: str, what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{source}: {what} must be a number, found {shown(value)}")
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf")


def _model(source: str, found: Mapping[str, Any]) -> str:
    """The lens model's name; by default OpenCV's, or its fisheye if instant-ngp's flag is set."""
    model = found.get("camera_model")
    if model is None:
        return "OPENCV_FISHEYE" if found.get("is_fisheye") is True else "OPENCV"
    if not isinstance(model, str) or len(model) > 100:
        raise InputError(f"{source}: unknown camera model {shown(model)}")
    return model


def _world_to_camera(source: str, found: Mapping[str, Any]) -> Tensor:
    """Inverse (4, 4), its axes turned from OpenGL's (y up, z backward) to OpenCV's (y down, z forward)."""
    rows = found.get("transform_matrix")
    if rows is None:
        raise InputError(f"{source}: 'transform_matrix' is missing")
    if not isinstance(rows, list) or [len(row) if isinstance(row, list) else 0 for row in rows] != [4] * 4:
        raise InputError(f"{source}: transform_matrix must be 4×4 numbers, found {_described(rows)}")
    camera_to_world = torch.tensor(
        [[_as_number(source, "transform_matrix", value) for value in row] for row in rows],
        dtype=torch.float64,
    )
    inverse: Tensor
    inverse, singular = torch.linalg.inv_ex(camera_to_world)
    if bool(singular):
        raise InputError(f"{source}: the camera matrix is singular")
    # Copied, not computed: rounding must not make the last row that of a projective matrix
    inverse[3] = camera_to_world[3]
    return inverse * torch.tensor([[1.0], [-1.0], [-1.0], [1.0]])


def _described(rows: object) -> str:
    if not isinstance(rows, list):
        return shown(rows)
    return f"rows of {', '.join(str(len(row)) if isinstance(row, list) else '?' for row in rows[:5])}"
