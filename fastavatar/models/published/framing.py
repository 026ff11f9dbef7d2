"""What the point predictor sees of a photo, and the camera that follows from its answer.

It was trained on NeRSemble captures: head and shoulders on white, 550×802 pixels, from a camera of 2048 px
focal length about 1.1 m away, squashed to 224×224. The figures below were measured on two such captures of
16 views each: the medians of a face detector's boxes, and the intrinsics of `transforms.json`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fastavatar.core import Box, Camera, Face, Photo
from fastavatar.models.published import IMAGE_PX

CAPTURE_WIDTH, CAPTURE_HEIGHT = 550, 802
CAPTURE_FOCAL_PX = 2048.5
_CENTER_PX = (274.9, 401.1)
_FACE_CENTER = (0.50 * CAPTURE_WIDTH, 0.43 * CAPTURE_HEIGHT)
_FACE_PX = 265.0  # square root of a face box's area

_WHITE = 255
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Region:
    """A rectangle of a photo, in its pixels; it may reach beyond the photo."""

    left: float
    """Distance of its left edge from the photo's."""
    top: float
    """Distance of its upper edge from the photo's."""
    width: float
    """Its extent across."""
    height: float
    """Its extent down."""

    @property
    def K(self) -> Tensor:  # noqa: N802 -- the field's name for intrinsics
        """(3, 3) intrinsics in the photo's pixels of a capture camera whose frame is the region."""
        x, y = self.width / CAPTURE_WIDTH, self.height / CAPTURE_HEIGHT
        return torch.tensor(
            [
                [CAPTURE_FOCAL_PX * x, 0.0, self.left + _CENTER_PX[0] * x],
                [0.0, CAPTURE_FOCAL_PX * y, self.top + _CENTER_PX[1] * y],
                [0.0, 0.0, 1.0],
            ]
        )


def whole(rgb: NDArray[np.uint8]) -> Region:
    """All of a photo (H, W, 3), as the published code takes it."""
    return Region(0.0, 0.0, float(rgb.shape[1]), float(rgb.shape[0]))


def find_by_mesh(photo: Photo, face: int | None) -> Face:
    """The face numbered `face` from the left, the largest by default, as Face Mesh finds it.

    For photos in which InsightFace need not look, because the embedding or W is given. Raises `NoFaceError`
    when there is no such face.
    """
    from fastavatar.faces import FaceMeshFinder, find_face

    return find_face(FaceMeshFinder(), photo.rgb, face)


def framed_like_a_capture(box: Box) -> Region:
    """The region in which the face in `box` (left, top, right, bottom) lies as it does in the captures."""
    # Size by the square root of the area, which a turned head changes less than width or height.
    left, top, right, bottom = box
    scale = ((right - left) * (bottom - top)) ** 0.5 / _FACE_PX
    return Region(
        (left + right) / 2 - _FACE_CENTER[0] * scale,
        (top + bottom) / 2 - _FACE_CENTER[1] * scale,
        CAPTURE_WIDTH * scale,
        CAPTURE_HEIGHT * scale,
    )


def cut(rgb: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """The region of a photo (H, W, 3) at the captures' size (802, 550, 3), white beyond the photo."""
    canvas = np.full((CAPTURE_HEIGHT, CAPTURE_WIDTH, 3), _WHITE, np.uint8)
    x, y = region.width / CAPTURE_WIDTH, region.height / CAPTURE_HEIGHT
    # whole pixels of the canvas whose source lies in the photo
    left = max(0, int(np.ceil(-region.left / x)))
    top = max(0, int(np.ceil(-region.top / y)))
    right = min(CAPTURE_WIDTH, int((rgb.shape[1] - region.left) / x))
    bottom = min(CAPTURE_HEIGHT, int((rgb.shape[0] - region.top) / y))
    if left < right and top < bottom:
        # The part of the photo that those pixels cover; rounding may reach beyond its last row or column.
        source = (
            region.left + left * x,
            region.top + top * y,
            min(region.left + right * x, rgb.shape[1]),
            min(region.top + bottom * y, rgb.shape[0]),
        )
        part = Image.fromarray(rgb).resize(
            (right - left, bottom - top), Image.Resampling.BILINEAR, box=source, reducing_gap=3.0
        )
        canvas[top:bottom, left:right] = np.asarray(part)
    return canvas


def on_white(rgb: NDArray[np.uint8], coverage: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) where `coverage` (H, W) is 1, white where it is 0."""
    alpha = coverage[..., None]
    return np.round(rgb * alpha + _WHITE * (1 - alpha)).astype(np.uint8)


def network_input(rgb: NDArray[np.uint8]) -> Tensor:
    """A picture (H, W, 3) squashed to (1, 3, 224, 224) and normalised as DINOv2 was trained."""
    picture = Image.fromarray(rgb).resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BILINEAR)
    # (H, W, 3) bytes → (3, H, W) in 0…1
    return normalised(torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255)[None]


def normalised(pictures: Tensor) -> Tensor:
    """Pictures (..., 3, H, W) in 0…1 as DINOv2 takes them, by ImageNet's mean and deviation."""
    mean, deviation = (
        torch.tensor(c, device=pictures.device)[:, None, None] for c in (_IMAGENET_MEAN, _IMAGENET_DEVIATION)
    )
    return (pictures - mean) / deviation


def camera_from_pose(camera_to_world: Tensor, region: Region, width: int, height: int) -> Camera:
    """The camera of a photo of `width` × `height` pixels from the predicted pose (4, 4) in metres.

    Neither the paper nor the code says which axes the pose has. The captures' own files have OpenGL axes
    (x right, y up, looking along −z) and the training script may have turned them to OpenCV's (x right,
    y down, looking along +z). The head lies at the origin and every training camera looks at it, so the side
    on which the head lies decides: the axes under which it is in front of the camera are taken.
    """
    to_world = camera_to_world.detach().cpu().double()
    rotation, center = to_world[:3, :3], to_world[:3, 3]
    # The third column is the camera's z axis. In OpenCV axes it points from the camera's place to the head.
    if rotation[:, 2] @ center > 0:
        rotation = rotation * torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    # Inverse of a rigid transform: Rᵀ and −Rᵀ t.
    world_to_camera = torch.eye(4, dtype=torch.float64)
    world_to_camera[:3, :3] = rotation.T
    world_to_camera[:3, 3] = -rotation.T @ center
    return Camera(region.K, world_to_camera.float(), width, height)
