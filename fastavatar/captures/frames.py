"""One frame as a capture file describes it, before any pixel is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures.lens import Lens
from fastavatar.core import Camera
from fastavatar.errors import InputError

RIGID_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Frame:
    """Where a frame's pictures lie and how they were taken."""

    source: str
    """File and frame, for messages."""
    image_path: Path
    """Its image."""
    mask_path: Path | None
    """Its mask, None where there is none."""
    focal_px: tuple[float, float]
    """Focal lengths across and down, in pixels."""
    center_px: tuple[float, float] | None
    """Principal point in pixels, None for the middle of the image."""
    size: tuple[int, int] | None
    """Width and height the calibration is for, None where it does not say."""
    lens: Lens
    """Its distortion."""
    world_to_camera: Tensor
    """(4, 4) rigid transform to OpenCV camera axes, metres, float64."""

    def __post_init__(self) -> None:
        """Check everything a broken calibration gets wrong; raises `InputError` naming file and frame."""
        numbers = torch.tensor([*self.focal_px, *(self.center_px or ())])
        if not bool(torch.isfinite(numbers).all()) or min(self.focal_px) <= 0:
            raise InputError(f"{self.source}: bad intrinsics, focal lengths {self.focal_px}")
        if not bool(torch.isfinite(self.world_to_camera).all()):
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

    def camera(self, width: int, height: int) -> Camera:
        """Its camera, a pinhole without the lens's distortion, for an image of this size."""
        K = torch.eye(3)
        K[0, 0], K[1, 1] = self.focal_px
        K[:2, 2] = torch.tensor(self.center_px or (width / 2, height / 2))
        return Camera(K, self.world_to_camera.float(), width, height)


def find_mask(folder: Path, image_name: str) -> Path | None:
    """The mask of an image where captures usually keep it, None where there is none."""
    candidates: Sequence[Path] = [
        folder / "fg_masks" / image_name,
        folder / "masks" / image_name,
        folder / "masks" / f"{image_name}.png",
    ]
    return next((path for path in candidates if path.is_file()), None)
