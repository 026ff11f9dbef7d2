"""The preview: the photo beside the avatar from five sides."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fastavatar.core import Avatar, Camera
from fastavatar.rendering import frame_sphere, head_sphere, render

TILE_PX = 384
AZIMUTHS_DEG = (0, -30, 30, -60, 60)
"""Azimuths of the five views toward the person's left, counted from the photo's camera."""
WHITE = (255, 255, 255)


def compose_preview(
    avatar: Avatar, background: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> NDArray[np.uint8]:
    """(384, 6·384, 3) sRGB: the photo, then the avatar from the photo's camera, −30°, 30°, −60° and 60°.

    `background` (3,) in 0…1 is behind the avatar, and around the photo where the tile is larger.
    """
    center, radius_m = head_sphere(avatar.gaussians)
    camera = avatar.camera.to("cpu", torch.float32)
    framed = frame_sphere(camera, center, radius_m, TILE_PX)
    gaussians = avatar.gaussians.detach()
    tiles = [_labelled(_photo_seen_by(framed, camera, avatar.photo.rgb, background), "photo")]
    for azimuth_deg in AZIMUTHS_DEG:
        view = framed.orbited(azimuth_deg, target=center).to(gaussians.means.device)
        with torch.no_grad():
            image = render(gaussians, view, background).image
        pixels = (image.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
        tiles.append(_labelled(Image.fromarray(pixels), f"{azimuth_deg:+d}°" if azimuth_deg else "avatar"))
    return np.concatenate([np.asarray(tile) for tile in tiles], axis=1)


def _photo_seen_by(
    framed: Camera, camera: Camera, rgb: NDArray[np.uint8], background: tuple[float, float, float]
) -> Image.Image:
    """The part that `framed` shows of the photo rgb (H, W, 3) by `camera`; outside it `background` (3,)."""
    zoom = float(framed.K[0, 0] / camera.K[0, 0])
    left, top = (camera.K[:2, 2] - framed.K[:2, 2] / zoom).tolist()
    height, width = rgb.shape[:2]
    seen = (
        max(left, 0.0),
        max(top, 0.0),
        min(left + framed.width / zoom, float(width)),
        min(top + framed.height / zoom, float(height)),
    )
    red, green, blue = (round(255 * value) for value in background)
    tile = Image.new("RGB", (framed.width, framed.height), (red, green, blue))
    size = round((seen[2] - seen[0]) * zoom), round((seen[3] - seen[1]) * zoom)
    if min(size) > 0:
        part = Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, seen, reducing_gap=3.0)
        tile.paste(part, (round((seen[0] - left) * zoom), round((seen[1] - top) * zoom)))
    return tile


def _labelled(tile: Image.Image, text: str) -> Image.Image:
    """The tile with a small label in its corner, legible on any background."""
    font = ImageFont.load_default(16)
    ImageDraw.Draw(tile).text((8, TILE_PX - 26), text, (40, 40, 40), font, stroke_width=2, stroke_fill=WHITE)
    return tile
