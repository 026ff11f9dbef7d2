"""Reading a frame's image and mask: on white, free of distortion."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastavatar.captures.capture import View
from fastavatar.captures.frames import Frame
from fastavatar.captures.lens import undistort
from fastavatar.errors import InputError

# An image whose pixels outside the mask are this white on average was put on white already.
ALREADY_ON_WHITE = 0.98


def read_view(frame: Frame) -> View:
    """The frame's pictures as a view; raises `InputError` naming file and frame."""
    rgb, alpha = _read_image(frame)
    height, width = alpha.shape if alpha is not None else rgb.shape[:2]
    if frame.size is not None and frame.size != (width, height):
        raise InputError(
            f"{frame.source}: the calibration is for {frame.size[0]}×{frame.size[1]} pixels, "
            f"{frame.image_path} has {width}×{height}"
        )
    mask = _read_mask(frame, (width, height))
    if alpha is not None:
        coverage = alpha
    elif mask is not None and not _is_on_white(rgb, mask):
        coverage = mask
    else:
        coverage = torch.ones(height, width)
    if mask is None:
        mask = coverage
    camera = frame.camera(width, height)
    # White is subtracted while the lens is undone, so that what lies outside the original becomes white.
    without_white = undistort((rgb - 1) * coverage[..., None], frame.lens, camera.K)
    mask = undistort(mask[..., None], frame.lens, camera.K)[..., 0]
    return View(frame.image_path.stem, (1 + without_white).clamp(0, 1), mask, camera)


def _is_on_white(rgb: Tensor, mask: Tensor) -> bool:
    """Whether the image (H, W, 3) is white wherever the mask (H, W) is 0; true where it never is."""
    outside = rgb[mask == 0]
    return len(outside) == 0 or float(outside.mean()) > ALREADY_ON_WHITE


def _read_image(frame: Frame) -> tuple[Tensor, Tensor | None]:
    """Colours (H, W, 3) and coverage (H, W), None where the file has no transparency, in 0…1."""
    picture = _open(frame, frame.image_path)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = _unit(picture.convert("RGBA"))
        return rgba[..., :3], rgba[..., 3]
    return _unit(picture.convert("RGB")), None


def _read_mask(frame: Frame, size: tuple[int, int]) -> Tensor | None:
    """(H, W) in 0…1; the mask file must be as large as the image."""
    if frame.mask_path is None:
        return None
    picture = _open(frame, frame.mask_path)
    if picture.size != size:
        raise InputError(
            f"{frame.source}: the mask {frame.mask_path} has {picture.size[0]}×{picture.size[1]} pixels, "
            f"the image {size[0]}×{size[1]}"
        )
    return _unit(picture.convert("L"))


def _open(frame: Frame, path: Path) -> Image.Image:
    if not path.is_file():
        raise InputError(f"{frame.source}: there is no file {path}")
    try:
        with Image.open(path) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{frame.source}: cannot read {path}: {error}") from error
    if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
        raise InputError(f"{frame.source}: {path} is of mode {picture.mode}, 8 bits a channel are needed")
    return picture


def _unit(picture: Image.Image) -> Tensor:
    """8-bit samples → float32 in 0…1."""
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
