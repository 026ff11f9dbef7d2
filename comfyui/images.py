"""Pictures of ComfyUI, tensors (B, H, W, 3) of 0…1, as photos, and films as such tensors."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from fastavatar.core import Photo

NO_FILE = Path("image.png")
"""The name in summaries of a picture that came from no file."""


def photos_of(images: Tensor, focal_px: float) -> "list[Photo]":
    """Each picture of a batch as a photo; a focal length of 0 pixels means that it is unknown."""
    from fastavatar.core import Photo

    pixels: NDArray[np.uint8] = (images[..., :3].clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
    return [Photo(np.ascontiguousarray(rgb), None, focal_px or None, NO_FILE) for rgb in pixels]


def batch_of(pictures: Iterable[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Pictures (H, W, 4) as images (B, H, W, 3) and as masks (B, H, W), both 0…1; a mask is 1 on the head."""
    film = torch.from_numpy(np.stack(list(pictures))).float() / 255
    return film[..., :3] * film[..., 3:], film[..., 3]
