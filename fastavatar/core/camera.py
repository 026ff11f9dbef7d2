"""Pinhole cameras: OpenCV axes (x right, y down, z forward), pixels, metres."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.geometry import Array, require_shape

# Head frame to OpenCV axes for a camera that looks at the face: half a turn about x.
FACING_THE_HEAD = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))


@dataclass(frozen=True)
class Camera:
    """A calibrated view of the head frame.

    Raises `InputError` for a matrix of a wrong shape and a picture without pixels.
    """

    K: Tensor
    """(3, 3) intrinsics in pixels, no skew; the centre of the first pixel lies at (0.5, 0.5)."""
    world_to_camera: Tensor
    """(4, 4) rigid transform from the head frame to OpenCV camera axes, metres."""
    width: int
    """Picture width in pixels."""
    height: int
    """Picture height in pixels."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        require_shape("K", self.K, 3, 3)
        require_shape("world_to_camera", self.world_to_camera, 4, 4)
        if self.width < 1 or self.height < 1:
            raise InputError(f"a camera needs at least 1×1 pixels, found {self.width}×{self.height}")

    @property
    def center(self) -> Tensor:
        """(3,) the camera's position in the head frame, metres."""
        return -self.world_to_camera[:3, :3].T @ self.world_to_camera[:3, 3]

    @property
    def azimuth_elevation_deg(self) -> tuple[float, float]:
        """Azimuth and elevation of the camera from the origin: positive to the person's left, and up."""
        x, y, z = self.center.tolist()
        return math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Camera":
        """The same camera with its matrices on another device or in another floating-point type."""
        return replace(
            self, K=self.K.to(device, dtype), world_to_camera=self.world_to_camera.to(device, dtype)
        )

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, 2) and depths (N,) in metres of head-frame points (N, 3); depth ≤ 0 is behind."""
        require_shape("points", points, None, 3)
        in_camera = points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        depth = in_camera[:, 2]
        on_plane = in_camera[:, :2] / depth[:, None]
        return on_plane * self.K.diagonal()[:2] + self.K[:2, 2], depth

    def unproject(self, pixels: Tensor, depth: Tensor) -> Tensor:
        """Head-frame points (N, 3) at pixels (N, 2) and depths (N,) along the optical axis, metres."""
        on_plane = (pixels - self.K[:2, 2]) / self.K.diagonal()[:2]
        in_camera = torch.cat([on_plane, torch.ones_like(on_plane[:, :1])], 1) * depth[:, None]
        return (in_camera - self.world_to_camera[:3, 3]) @ self.world_to_camera[:3, :3]

    def cropped(self, left: int, top: int, right: int, bottom: int) -> "Camera":
        """The camera of a rectangle of the picture, with edges in pixels."""
        K = self.K.clone()
        K[:2, 2] -= torch.tensor([left, top]).to(K)
        return replace(self, K=K, width=right - left, height=bottom - top)

    def resized(self, width: int, height: int) -> "Camera":
        """The same view with another number of pixels."""
        factor = torch.tensor([[width / self.width], [height / self.height], [1.0]])
        return replace(self, K=self.K * factor.to(self.K), width=width, height=height)

    def orbited(
        self, azimuth_deg: float, elevation_deg: float = 0.0, target: Tensor | None = None
    ) -> "Camera":
        """This camera moved on a sphere about `target` (3,), by default the origin.

        A positive azimuth turns about the head's y axis toward the person's left; a positive elevation then
        raises the camera about its own horizontal axis. Both are in degrees.
        """
        rotation, translation = self.world_to_camera[:3, :3], self.world_to_camera[:3, 3]
        pivot = torch.zeros(3).to(rotation) if target is None else target.to(rotation)
        pivot_in_camera = rotation @ pivot + translation
        swing = rotation @ _about_y(-azimuth_deg).to(rotation)
        tilted = _about_x(elevation_deg).to(rotation) @ swing
        world_to_camera = self.world_to_camera.clone()
        world_to_camera[:3, :3] = tilted
        world_to_camera[:3, 3] = pivot_in_camera - tilted @ pivot
        return replace(self, world_to_camera=world_to_camera)


def frontal_camera(
    distance_m: float, focal_px: float, width: int, height: int, target: Tensor | None = None
) -> Camera:
    """A camera `distance_m` in front of `target` (3,), looking along −z of the head frame at it."""
    world_to_camera = torch.eye(4)
    world_to_camera[:3, :3] = FACING_THE_HEAD
    pivot = torch.zeros(3) if target is None else target.to(torch.float32)
    in_front = torch.tensor([0.0, 0.0, distance_m])
    world_to_camera[:3, 3] = in_front - world_to_camera[:3, :3] @ pivot
    K = torch.tensor([[focal_px, 0.0, width / 2], [0.0, focal_px, height / 2], [0.0, 0.0, 1.0]])
    return Camera(K, world_to_camera, width, height)


def _about_x(angle_deg: float) -> Tensor:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]], dtype=torch.float64)


def _about_y(angle_deg: float) -> Tensor:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]], dtype=torch.float64)


def head_turn_deg(rotation: Array) -> Array:
    """Yaw, pitch and roll (3,) in degrees of a head, from its rotation (3, 3) into camera axes.

    They are 0 face to face, and turn about the head's own axes y, x and z: positive yaw turns the face to the
    person's left, pitch raises it, roll tilts it to the person's left shoulder.
    """
    turned = FACING_THE_HEAD.numpy() @ rotation
    yaw, pitch = np.arctan2(turned[0, 2], turned[2, 2]), np.arcsin(turned[1, 2].clip(-1, 1))
    return np.degrees([yaw, pitch, -np.arctan2(turned[1, 0], turned[1, 1])])
