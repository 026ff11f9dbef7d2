"""The files of a COLMAP model, binary or text, as plain values.

Layouts: COLMAP's documentation (output format), and for rigs and frames COLMAP 3.12. Points in pictures and
the tracks of points are passed over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from fastavatar.captures import Fields, is_file, records
from fastavatar.errors import InputError
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.system import read_bytes

CAMERA_PARAMETERS = {
    "SIMPLE_PINHOLE": 3,
    "PINHOLE": 4,
    "SIMPLE_RADIAL": 4,
    "RADIAL": 5,
    "OPENCV": 8,
    "OPENCV_FISHEYE": 8,
    "FULL_OPENCV": 12,
    "FOV": 5,
    "SIMPLE_RADIAL_FISHEYE": 4,
    "RADIAL_FISHEYE": 5,
    "THIN_PRISM_FISHEYE": 12,
    "RAD_TAN_THIN_PRISM_FISHEYE": 16,
    "SIMPLE_DIVISION": 4,
    "DIVISION": 5,
    "SIMPLE_FISHEYE": 3,
    "FISHEYE": 4,
    "EUCM": 6,
    "EQUIRECTANGULAR": 2,
}
"""Camera models in the order of their numbers in COLMAP 4.2, with how many parameters each has."""
_T = TypeVar("_T")
SENSORS = ("CAMERA", "IMU")
"""Kinds of sensors in the order of their numbers."""


@dataclass(frozen=True)
class ColmapCamera:
    """The intrinsics of a camera."""

    model: str
    """A name in `CAMERA_PARAMETERS`."""
    size: tuple[int, int]
    """Width and height in pixels."""
    parameters: tuple[float, ...]
    """In COLMAP's order."""


@dataclass(frozen=True)
class ColmapImage:
    """A picture with its camera's pose."""

    name: str
    """Path of its file below the folder of pictures."""
    camera_id: int
    world_to_camera: Tensor
    """(4, 4) rigid transform to OpenCV camera axes, float64."""


@dataclass(frozen=True)
class ColmapModel:
    """Cameras and images with a pose, by their ids, and points."""

    cameras: Mapping[int, ColmapCamera]
    images: Mapping[int, ColmapImage]
    points: Tensor
    """(P, 3) float32, by their ids."""


def parse_colmap(model: Path) -> ColmapModel:
    """The COLMAP model in the folder `model`: its binary files if it has all three, else its text files.

    Where there are rigs and frames, the poses are theirs, as in COLMAP. Raises `InputError` with the file for
    a missing or damaged one, and for files that contradict each other.
    """
    ending = _ending(model)
    cameras = dict(_records(model / f"cameras{ending}", _camera, 40))
    images = dict(_records(model / f"images{ending}", _image, 73, lines_each=2))
    points = dict(_records(model / f"points3D{ending}", _point, 51))
    rigs, frames = model / f"rigs{ending}", model / f"frames{ending}"
    if is_file(rigs) and is_file(frames):
        poses = _poses_in_rigs(model, dict(_records(rigs, _rig, 8)), _records(frames, _frame, 68))
        images = {
            key: replace(image, world_to_camera=poses[key]) for key, image in images.items() if key in poses
        }
    for image in images.values():
        if image.camera_id not in cameras:
            raise InputError(
                f"{model}: image {image.name} names camera {image.camera_id}, which cameras{ending} lacks"
            )
    ordered = np.array([points[key] for key in sorted(points)], np.float32).reshape(-1, 3)
    return ColmapModel(cameras, images, torch.from_numpy(ordered))


def _ending(model: Path) -> str:
    needed = ("cameras", "images", "points3D")
    missing = {
        end: [name for name in needed if not is_file(model / f"{name}{end}")] for end in (".bin", ".txt")
    }
    ending = min(missing, key=lambda end: len(missing[end]))  # of two whole ones the binary, as COLMAP does
    if missing[ending]:
        names = ", ".join(f"{name}{ending}" for name in missing[ending])
        raise InputError(f"cannot read the COLMAP model in {model}: it has no {names}")
    return ending


def _records(
    path: Path, read: Callable[[Fields], tuple[int, _T]], smallest: int, lines_each: int = 1
) -> list[tuple[int, _T]]:
    """The records of a file with their ids; `smallest` is a record's least size in bytes in a binary file."""
    content = read_bytes(path)
    try:
        each = records(content, path.suffix == ".bin", smallest, lines_each)
        found = [read(fields) for fields in each]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.parent}: the name of an image is no UTF-8 text; give the image another name there"
        ) from error
    except (EOFError, ValueError) as error:
        raise InputError(f"cannot read the COLMAP model in {path.parent}: {path.name} {error}") from error
    if len({key for key, _ in found}) < len(found):
        raise InputError(f"cannot read the COLMAP model in {path.parent}: {path.name} has an id twice")
    return found


def _camera(fields: Fields) -> tuple[int, ColmapCamera]:
    key, model = fields.integer(4), fields.choice(list(CAMERA_PARAMETERS))
    size = (fields.integer(8), fields.integer(8))
    return key, ColmapCamera(model, size, fields.numbers(CAMERA_PARAMETERS[model]))


def _image(fields: Fields) -> tuple[int, ColmapImage]:
    key, pose, camera_id = fields.integer(4), _pose(fields), fields.integer(4)
    image = ColmapImage(fields.name(), camera_id, pose)
    fields.skip_items(24)  # x, y, point
    return key, image


def _point(fields: Fields) -> tuple[int, tuple[float, ...]]:
    key, position = fields.integer(8), fields.numbers(3)
    fields.skip_items(8, before=11)  # colour, error; image, index
    return key, position


_Sensor = tuple[str, int]


def _rig(fields: Fields) -> tuple[int, dict[_Sensor, Tensor | None]]:
    """For each sensor of a rig the transform (4, 4) from the rig to it, None if it is not known."""
    key, sensors = fields.integer(4), dict[_Sensor, Tensor | None]()
    for number in range(fields.count(8)):
        sensor = (fields.choice(SENSORS), fields.integer(4))
        if number == 0:  # the sensor that the rig's frame is that of
            sensors[sensor] = torch.eye(4, dtype=torch.float64)
        else:
            sensors[sensor] = _pose(fields) if fields.integer(1) else None
    return key, sensors


def _frame(fields: Fields) -> tuple[int, tuple[int, Tensor, dict[int, _Sensor]]]:
    """A rig's id, the transform (4, 4) from the world to it, and the sensor of each image taken there."""
    key, rig, pose = fields.integer(4), fields.integer(4), _pose(fields)
    images = {}
    for _ in range(fields.count(16)):
        sensor = (fields.choice(SENSORS), fields.integer(4))
        images[fields.integer(8)] = sensor
    return key, (rig, pose, {image: sensor for image, sensor in images.items() if sensor[0] == "CAMERA"})


def _poses_in_rigs(
    model: Path,
    rigs: Mapping[int, Mapping[_Sensor, Tensor | None]],
    frames: list[tuple[int, tuple[int, Tensor, dict[int, _Sensor]]]],
) -> dict[int, Tensor]:
    """World to camera (4, 4) of each image whose frame and sensor have a pose."""
    poses = {}
    for key, (rig, world_to_rig, images) in frames:
        for image, sensor in images.items():
            if sensor not in rigs.get(rig, {}):
                raise InputError(
                    f"cannot read the COLMAP model in {model}: frame {key} names a rig or camera "
                    "that is missing"
                )
            if (rig_to_sensor := rigs[rig][sensor]) is not None:
                poses[image] = rig_to_sensor @ world_to_rig
    return poses


def _pose(fields: Fields) -> Tensor:
    """A rigid transform (4, 4) from a quaternion w, x, y, z and a translation."""
    w, x, y, z, *translation = fields.numbers(7)
    if not any((w, x, y, z)):
        raise ValueError("has a rotation whose quaternion is zero")
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = matrix_from_quaternion_wxyz(torch.tensor([w, x, y, z], dtype=torch.float64))
    pose[:3, 3] = torch.tensor(translation, dtype=torch.float64)
    return pose
