"""`transforms.json` as VHAP, NeRSemble exports and NeRF tools write it: OpenGL axes, camera-to-world."""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastavatar.captures.frames import Frame, find_mask
from fastavatar.captures.lens import lens_from
from fastavatar.errors import InputError

log = logging.getLogger(__name__)

FILE_NAME = "transforms.json"


def read_transforms(path: Path) -> tuple[list[Frame], Path | None]:
    """The frames of a transforms.json, and the first one's FLAME file where it names one.

    Of a sequence only the first time step is taken: a capture is one pose.

    Raises `InputError` naming the file, and the frame where one is at fault.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    entries = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: there is no list 'frames' with at least one frame")
    steps = [entry.get("timestep_index") if isinstance(entry, dict) else None for entry in entries]
    first = min((step for step in steps if isinstance(step, int)), default=None)
    chosen = [number for number, step in enumerate(steps) if step == first or not isinstance(step, int)]
    if len(chosen) < len(entries):
        log.warning("%s is a sequence: only its time step %s is read", path, first)
    frames = [_frame(path, number, content, entries[number]) for number in chosen]
    flame = entries[chosen[0]].get("flame_param_path")
    return frames, None if flame is None else path.parent / str(flame)


def _frame(path: Path, number: int, content: Mapping[str, Any], entry: object) -> Frame:
    """One entry of the list; what it leaves out is taken from the top level."""
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str):
        raise InputError(f"{path}: frame {number} names no 'file_path'")
    source = f"{path}: frame {number} ({entry['file_path']})"
    found = {**{k: v for k, v in content.items() if k != "frames"}, **entry}
    try:
        size = (int(found["w"]), int(found["h"])) if "w" in found and "h" in found else None
        center = (float(found["cx"]), float(found["cy"])) if "cx" in found and "cy" in found else None
        focal = _focal_px(found, size)
        numbers = {k: float(found[k]) for k in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2") if k in found}
        camera_to_world = torch.tensor(found["transform_matrix"], dtype=torch.float64)
    except KeyError as error:
        raise InputError(f"{source}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: {error}") from error
    try:
        lens = lens_from(str(found.get("camera_model", "OPENCV")), numbers)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    image = path.parent / entry["file_path"]
    image = image if image.suffix else image.with_suffix(".png")  # NeRF's own files leave the ending out
    mask = found.get("fg_mask_path", found.get("mask_path"))
    mask_path = find_mask(path.parent, image.name) if mask is None else path.parent / str(mask)
    return Frame(
        source, image, mask_path, focal, center, size, lens, _world_to_camera(source, camera_to_world)
    )


def _focal_px(found: Mapping[str, Any], size: tuple[int, int] | None) -> tuple[float, float]:
    """Focal lengths in pixels: given, or from the field of view."""
    if "fl_x" not in found and "camera_angle_x" in found and size is not None:
        focal = size[0] / 2 / math.tan(float(found["camera_angle_x"]) / 2)
        return focal, focal
    across = float(found["fl_x"])
    return across, float(found.get("fl_y", across))


def _world_to_camera(source: str, camera_to_world: Tensor) -> Tensor:
    """Inverse (4, 4), its axes turned from OpenGL's (y up, z backward) to OpenCV's (y down, z forward)."""
    if camera_to_world.shape != (4, 4):
        raise InputError(f"{source}: transform_matrix must be 4×4, found {tuple(camera_to_world.shape)}")
    inverse: Tensor
    inverse, singular = torch.linalg.inv_ex(camera_to_world)
    if bool(singular):
        raise InputError(f"{source}: the camera matrix is singular")
    inverse[3] = camera_to_world[3]  # exact, so that a projective matrix is told from rounding
    return inverse * torch.tensor([[1.0], [-1.0], [-1.0], [1.0]])
