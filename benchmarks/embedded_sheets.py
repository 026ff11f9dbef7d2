"""Pictures of an avatar to look at, for `benchmarks.embedded`: its photo, and its head from all sides."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from fastavatar.core import Avatar
from fastavatar.evaluation import own_view_of
from fastavatar.rendering import facing_camera, head_sphere, render

TILE_PX = 288
LABEL_PX = 16
ANGLES_DEG = (
    *((yaw, 0) for yaw in (-60, -30, 0, 30, 60, 90, 180)),
    (0, 40),  # from above
    (0, -30),  # from below
)
"""Azimuth toward the person's left and elevation of the cameras, from straight before the face."""
_SHOULDERS = 1.35
"""Width of a picture over that of the head, so that the shoulders show; chosen by eye."""


def write_sheet(avatar: Avatar, path: Path) -> None:
    """Write a row of pictures: photo, own view, and the avatar from `ANGLES_DEG`, each with its label."""
    own, crop, shown = own_view_of(avatar)
    tiles = [("photo", torch.from_numpy(crop.photo_rgb) / 255), (_own_label(own.psnr), shown.image)]
    center, radius_m = head_sphere(avatar.gaussians)
    front = facing_camera(center, _SHOULDERS * radius_m, TILE_PX)
    for yaw, pitch in ANGLES_DEG:
        with torch.no_grad():
            seen = render(avatar.gaussians, front.orbited(yaw, pitch, center))
        tiles.append((f"{yaw:+d}, {pitch:+d}", seen.image))
    sheet = Image.new("RGB", (len(tiles) * TILE_PX, TILE_PX + LABEL_PX), "white")
    for column, (label, image) in enumerate(tiles):
        ImageDraw.Draw(sheet).text((column * TILE_PX + 4, 2), label, fill="black")
        sheet.paste(_tile(image), (column * TILE_PX, LABEL_PX))
    sheet.save(path)


def _own_label(psnr: float | None) -> str:
    return "own view" if psnr is None else f"own view {psnr:.1f} dB"


def _tile(image: Tensor) -> Image.Image:
    """An image (H, W, 3) in 0…1 in the middle of a square of `TILE_PX`."""
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    pixels = (image.detach().clamp(0, 1) * 255).round().byte().cpu().numpy()
    picture = Image.fromarray(pixels)
    picture.thumbnail((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (TILE_PX, TILE_PX), (230, 230, 230))
    tile.paste(picture, ((TILE_PX - picture.width) // 2, (TILE_PX - picture.height) // 2))
    return tile
