"""The crop of a photo that the embedded model works on: head and shoulders, at the model's resolution."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Box, Camera, Photo
from fastavatar.images import person_mask

_METRES_PER_PX = 0.0007  # half the spacing of the finest points: more detail could not be shown
# Reach of the crop from the middle of the face in face sizes: to either side, up, down
_REACH = (1.6, 1.5, 2.2)


@dataclass(frozen=True)
class HeadView:
    """One picture of the head."""

    rgb: NDArray[np.float32]
    """(H, W, 3) sRGB in 0…1."""
    mask: NDArray[np.float32]
    """(H, W) coverage of the person in 0…1."""
    camera: Camera
    """The camera that saw it, float64."""


def head_and_shoulders(photo: Photo, face_box: Box, camera: Camera) -> HeadView:
    """The part of the photo that shows head and shoulders.

    `face_box` is left, top, right, bottom in pixels; `camera` is the photo's. A photo that came cut out
    brings its own mask.
    """
    left, top, right, bottom = _crop(face_box, photo.width, photo.height)
    scale = min(1.0, float(camera.world_to_camera[2, 3] / camera.K[0, 0]) / _METRES_PER_PX)
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))

    def resized(values: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        picture = Image.fromarray(values[top:bottom, left:right])
        return np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)

    rgb = resized(photo.rgb)
    given = photo.alpha if photo.is_cut_out else None
    mask = person_mask(rgb.astype(np.uint8)) if given is None else resized(given)
    cropped = camera.to(camera.K.device, torch.float64).cropped(left, top, right, bottom)
    return HeadView(rgb / np.float32(255), mask, cropped.resized(width, height))


def _crop(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of what belongs to the head around a face's box."""
    size = max(box[2] - box[0], box[3] - box[1])
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    aside, up, down = (size * reach for reach in _REACH)
    return (
        max(0, round(middle_x - aside)),
        max(0, round(middle_y - up)),
        min(width, round(middle_x + aside)),
        min(height, round(middle_y + down)),
    )
