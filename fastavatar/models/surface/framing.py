"""The square crop of a picture that the network looks at, the same in training and prediction.

It is `FRAME_M` wide and high at the depth of `MIDDLE_M`, and that point lies in its middle. Beyond the
picture it is white, without any coverage.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fastavatar.core import Camera
from fastavatar.errors import InputError

MIDDLE_M = (0.0, -0.03, 0.0)
FRAME_M = 0.5
"""Head with hair, neck and the inner half of the shoulders: about what the embedded model's crop shows."""


class Framed(NamedTuple):
    """A picture as the network takes it."""

    picture: Tensor
    """(4, S, S) uint8: red, green, blue on white, and the person's coverage."""
    camera: Camera
    """The camera of the crop, float32."""

    @property
    def projection(self) -> Tensor:
        """(3, 4) from points of the head frame, metres, to pixels times depth."""
        return self.camera.K @ self.camera.world_to_camera[:3]


def framed(rgb: NDArray[np.floating], mask: NDArray[np.floating], camera: Camera, size_px: int) -> Framed:
    """The crop of a picture (H, W, 3) in 0…1 with the person's coverage (H, W), `size_px` on each side.

    Raises `InputError` where the camera looks away from the head.
    """
    precise = camera.to("cpu", torch.float64)
    pixels, depth = precise.project(torch.tensor([MIDDLE_M], dtype=torch.float64))
    if not float(depth) > FRAME_M / 2:
        raise InputError("the camera stands inside the head or looks away from it")
    half = FRAME_M / 2 * precise.K.diagonal()[:2] / depth
    (left, top), (right, bottom) = (pixels[0] - half).tolist(), (pixels[0] + half).tolist()
    on_white = rgb * mask[..., None] + (1 - mask[..., None])
    box = (left, top, right, bottom)
    colors = [_resized(on_white[..., channel], box, size_px, 1.0) for channel in range(3)]
    picture = np.stack([*colors, _resized(mask, box, size_px, 0.0)])
    scale = size_px / (right - left), size_px / (bottom - top)
    K = precise.K.clone()
    K[:2, 2] -= torch.tensor([left, top])
    K[:2] *= torch.tensor(scale)[:, None]
    crop = Camera(K, precise.world_to_camera, size_px, size_px)
    return Framed(torch.from_numpy(picture), crop.to("cpu", torch.float32))


def _resized(
    values: NDArray[np.floating], box: tuple[float, float, float, float], size_px: int, beyond: float
) -> NDArray[np.uint8]:
    """The part of values (H, W) within the box, which may reach beyond them, (S, S) uint8."""
    height, width = values.shape
    left, top = (max(0, int(np.ceil(-edge))) + 1 for edge in box[:2])
    right, bottom = (
        max(0, int(np.ceil(edge - size))) + 1 for edge, size in zip(box[2:], (width, height), strict=True)
    )
    padded = np.pad(np.asarray(values, np.float32), ((top, bottom), (left, right)), constant_values=beyond)
    moved = (box[0] + left, box[1] + top, box[2] + left, box[3] + top)
    small = Image.fromarray(padded).resize((size_px, size_px), Image.Resampling.BILINEAR, moved)
    return (np.asarray(small).clip(0, 1) * 255).round().astype(np.uint8)
