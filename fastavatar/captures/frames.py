"""The frames that a calibration describes, before any pixel is read: cameras, names, files."""

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures import MAX_NAME_BYTES, Lens, is_file, names_in
from fastavatar.core import Camera
from fastavatar.errors import InputError

RIGID_TOLERANCE = 1e-3
"""Largest deviation of a camera's rotation from orthonormal; text with four decimals is within 2e-4."""
MAX_SIDE_PX = 16_384
"""Longest side of a picture: no camera takes larger ones, and rendering one takes a few gigabytes."""
FOCAL_RANGE = (0.01, 1000.0)
"""Range of the focal length over the picture's longer side: fields of view from 179° to arc seconds."""
MASK_FOLDERS = ("fg_masks", "masks")
"""Names of folders of masks: VHAP's, then that of COLMAP, nerfstudio and most other tools."""
_LONGEST_NAME = MAX_NAME_BYTES - 32  # leaves room for an ending and for the hidden file that becomes it


@dataclass(frozen=True)
class Frame:
    """The files of a frame and its camera.

    Raises `InputError`, with file and frame, for a camera matrix that is not finite, singular, mirrored or
    not rigid.
    """

    source: str
    """The calibration file and the frame, for messages."""
    image_path: Path
    """Its image."""
    mask_path: Path | None
    """Its mask; None if there is none."""
    focal_px: tuple[float, float] | None
    """Focal lengths across and down in pixels; None where the calibration gives `view_angles` instead."""
    center_px: tuple[float, float] | None
    """Principal point in pixels; None for the middle of the image."""
    size: tuple[int, int] | None
    """Width and height in pixels that the calibration states; None if it states none."""
    lens: Lens
    """Its distortion."""
    world_to_camera: Tensor
    """(4, 4) rigid transform to OpenCV camera axes, metres, float64."""
    view_angles: tuple[float, float | None] | None = None
    """Horizontal and, if given, vertical field of view in radians; used if `focal_px` is None."""
    name: str = ""
    """Name of the view; `arranged` sets it."""

    def __post_init__(self) -> None:
        """Check the camera; raises `InputError` with file and frame."""
        self._require_intrinsics()
        # The camera is used in float32, where a finite float64 may be infinite.
        if not bool(torch.isfinite(self.world_to_camera.float()).all()):
            raise InputError(f"{self.source}: the camera matrix has non-finite numbers")
        rotation, last_row = self.world_to_camera[:3, :3], self.world_to_camera[3]
        determinant = float(torch.linalg.det(rotation))
        if abs(determinant) < RIGID_TOLERANCE:
            raise InputError(f"{self.source}: the camera matrix is singular")
        if determinant < 0:
            raise InputError(f"{self.source}: the camera is mirrored (determinant {determinant:.3f})")
        stretched = float((rotation @ rotation.T - torch.eye(3).to(rotation)).abs().max())
        if stretched > RIGID_TOLERANCE or last_row.tolist() != [0, 0, 0, 1]:
            raise InputError(f"{self.source}: the camera matrix is not a rotation and a translation")

    def _require_intrinsics(self) -> None:
        numbers = torch.tensor([*(self.focal_px or ()), *(self.center_px or ())])  # float32
        if not bool(torch.isfinite(numbers).all()) or min(self.focal_px or (1.0,)) <= 0:
            raise InputError(
                f"{self.source}: bad intrinsics, focal lengths {self.focal_px} and principal point "
                f"{self.center_px} must be finite, the former positive"
            )
        for angle in self.view_angles or ():
            if angle is not None and not 0 < angle < math.pi:
                raise InputError(f"{self.source}: bad intrinsics, a field of view of {angle} radians")
        if self.size is not None and not all(1 <= side <= MAX_SIDE_PX for side in self.size):
            raise InputError(
                f"{self.source}: a picture of {self.size[0]}×{self.size[1]} pixels; sides of 1 to "
                f"{MAX_SIDE_PX} are possible"
            )

    def camera(self, width: int, height: int) -> Camera:
        """The frame's camera, a pinhole without lens distortion, for an image of this size in pixels.

        Raises `InputError` for a focal length that no lens has.
        """
        focal = self.focal_px or self._focal_from_angles(width, height)
        low, high = (share * max(width, height) for share in FOCAL_RANGE)
        if not all(low <= length <= high for length in focal):
            raise InputError(
                f"{self.source}: bad intrinsics, focal lengths of {focal[0]:g} and {focal[1]:g} pixels for a "
                f"picture of {width}×{height}"
            )
        K = torch.eye(3)
        K[0, 0], K[1, 1] = focal
        K[:2, 2] = torch.tensor(self.center_px or (width / 2, height / 2))
        return Camera(K, self.world_to_camera.float(), width, height)

    def _focal_from_angles(self, width: int, height: int) -> tuple[float, float]:
        """Horizontal and vertical focal length in pixels: half the side over tan(angle / 2)."""
        assert self.view_angles is not None
        angle_across, angle_down = self.view_angles
        across = width / 2 / math.tan(angle_across / 2)
        return across, across if angle_down is None else height / 2 / math.tan(angle_down / 2)


@dataclass(frozen=True)
class Calibration:
    """The content of a calibration by any tool."""

    frames: list[Frame]
    """At least one."""
    points: Tensor | None = None
    """(P, 3) metres, where the calibration holds points itself."""
    points_path: Path | None = None
    """The PLY of points that the calibration names."""
    flame_path: Path | None = None
    """The file of FLAME parameters that the calibration names."""


def arranged(frames: Sequence[Frame], folder: Path) -> list[Frame]:
    """The frames of a capture in `folder` in the order of their images' paths, with names and masks.

    A view has the image's name without ending if these names are distinct, else a longer one; see
    `distinct_names`. Raises `InputError` where a folder of masks cannot be read.
    """
    ordered = sorted(frames, key=lambda frame: str(frame.image_path))
    images = [frame.image_path for frame in ordered]
    names, masks = distinct_names(images), find_masks(folder, images)
    return [
        replace(frame, name=name, mask_path=frame.mask_path or mask)
        for frame, name, mask in zip(ordered, names, masks, strict=True)
    ]


def require_own_images(frames: Sequence[Frame]) -> None:
    """Raise `InputError` where two frames share an image."""
    paths = Counter(os.path.abspath(frame.image_path) for frame in frames)
    twice = next((frame for frame in frames if paths[os.path.abspath(frame.image_path)] > 1), None)
    if twice is not None:
        raise InputError(f"{twice.source}: two frames share the image {twice.image_path}")


def distinct_names(images: Sequence[Path]) -> list[str]:
    """A name for each image, distinct even if case is ignored, and valid as a file name.

    The shortest form that keeps all apart: without folders and ending (`0001`), with the folders below the
    one that all share (`cam0_0001`), with the ending too (`cam0_0001.png`), else numbered (`3_0001`).
    """
    paths = [Path(os.path.abspath(image)) for image in images]
    shared = Path(os.path.commonpath([path.parent for path in paths]))
    below = [path.relative_to(shared) for path in paths]
    digits = len(str(len(paths) - 1))
    forms: list[Callable[[int], str]] = [
        lambda index: stem(below[index]),
        lambda index: "_".join([*below[index].parts[:-1], stem(below[index])]),
        lambda index: "_".join(below[index].parts),
    ]
    for form in forms:
        names = [form(index) for index in range(len(paths))]
        longest = max(len(name.encode()) for name in names)
        if longest <= _LONGEST_NAME and len({name.casefold() for name in names}) == len(names):
            return names
    return [f"{index:0{digits}d}_{stem(path)[:50]}" for index, path in enumerate(below)]


def stem(path: Path) -> str:
    """The file's name without its ending; a number after a dot (`frame.0001`) is part of the name."""
    return path.name if path.suffix[1:].isdigit() else path.stem


def find_masks(folder: Path, images: Sequence[Path]) -> list[Path | None]:
    """For each image of the capture in `folder` its mask in the usual folders; None if it has none.

    `images/cam0/0001.jpg` has its mask in `fg_masks/cam0` or `masks/cam0`, called `0001.jpg`,
    `0001.jpg.png` or `0001` with any other ending; or in `fg_masks` or `masks` itself, where only one image
    is called `0001`.
    """
    indices: dict[Path, dict[str, str]] = {}
    stems = Counter(map(stem, images))
    exact, similar = [], []
    for image in images:
        places = [folder / name / _below_images(image, folder) for name in MASK_FOLDERS]
        if stems[stem(image)] == 1:
            places += [folder / name for name in MASK_FOLDERS]
        for place in places:
            if place not in indices:
                indices[place] = _names_and_stems(place)
        exact.append(_first_file(places, indices, image.name, f"{image.name}.png"))
        similar.append(_first_file(places, indices, stem(image)))
    # A mask with the full name of one image is not the mask of another image with the same stem.
    taken = {path for path in exact if path is not None}
    return [
        named or (like if like not in taken else None) for named, like in zip(exact, similar, strict=True)
    ]


def _below_images(image: Path, folder: Path) -> Path:
    """The folders between the capture's folder of images and the image: `cam0` for `images/cam0/0001.jpg`."""
    parts = Path(os.path.relpath(image.parent, folder)).parts
    return Path(*parts[1:]) if parts and parts[0] != ".." else Path()


def _names_and_stems(place: Path) -> dict[str, str]:
    """File names in a folder, by name and by stem; of several with one stem a PNG is used."""
    names = names_in(place)
    by_stem = {stem(Path(name)): name for name in sorted(names, key=lambda name: name.endswith(".png"))}
    return by_stem | {name: name for name in names}


def _first_file(places: Sequence[Path], indices: dict[Path, dict[str, str]], *keys: str) -> Path | None:
    """The first file that one of the folders `places` has under one of the keys."""
    for place in places:
        for key in keys:
            name = indices[place].get(key)
            if name is not None and is_file(place / name):
                return place / name
    return None
