"""Converts the photo of an avatar to a view that it can be refined on, and a view to a photo."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.captures import View
from fastavatar.core import Avatar, Camera, Photo
from fastavatar.errors import InputError
from fastavatar.images import fading, person_parts

_MARGIN_PX = 8
_LONG_SIDE_PX = 800


def views_of_photos(avatar: Avatar) -> list[View]:
    """A view of each photo that the avatar was made from; see `view_of_photo`."""
    seen = [(avatar.photo, avatar.camera), *avatar.others]
    return [view_of_photo(replace(avatar, photo=photo, camera=camera)) for photo, camera in seen]


def view_of_photo(avatar: Avatar) -> View:
    """The part of the photo that the avatar covers, on white, with a longer side of at most 800 pixels.

    It ends where a person who is cut off below begins to fade into the backdrop.

    Raises `InputError` where the avatar lies outside its photo.
    """
    photo, camera = avatar.photo, avatar.camera.to("cpu", torch.float64)
    pixels, depth = camera.project(avatar.gaussians.means.cpu().double())
    pixels = pixels[depth > 0]
    low, high = (
        pixels.quantile(share, 0).tolist() if len(pixels) else [0.0, 0.0] for share in (0.001, 0.999)
    )
    left, top = (max(0, int(value) - _MARGIN_PX) for value in low)
    right, bottom = (
        min(size, int(value) + 1 + _MARGIN_PX)
        for value, size in zip(high, (photo.width, photo.height), strict=True)
    )
    if right - left < 2 * _MARGIN_PX or bottom - top < 2 * _MARGIN_PX:
        raise InputError("the avatar does not show in its own photo, so there is nothing to refine it on")
    scale = min(1.0, _LONG_SIDE_PX / max(right - left, bottom - top))
    width, height = round((right - left) * scale), round((bottom - top) * scale)
    rgb = photo.rgb[top:bottom, left:right]
    given = photo.alpha if photo.is_cut_out else None
    parts = person_parts(rgb, None if given is None else given[top:bottom, left:right])

    def resized(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> torch.Tensor:
        picture = Image.fromarray(values).resize((width, height), Image.Resampling.BOX)
        return torch.from_numpy(np.array(picture, np.float32))

    mask = resized(parts.coverage).clamp(0, 1)
    # Pixels at the outline without the backdrop's colour, which would come to lie on the rim
    color = torch.stack([resized(np.ascontiguousarray(parts.rgb[..., k])) for k in range(3)], 2)
    image = color * mask[..., None] + 1 - mask[..., None]
    cropped = camera.cropped(left, top, right, bottom).resized(width, height)
    kept = _above_fade(mask.numpy(), cropped)
    return View(photo.stem, image[:kept], mask[:kept], cropped.cropped(0, 0, width, kept))


def _above_fade(mask: NDArray[np.float32], camera: Camera) -> int:
    """Rows of the picture above the strip in which a cut-out person fades into the backdrop."""
    fades = fading(mask, float(camera.K[0, 0] / camera.world_to_camera[2, 3]))
    if fades is None:
        return len(mask)
    rows = np.flatnonzero((fades & (mask > 0.5)).any(1))
    return max(int(rows[0]), len(mask) // 2) if len(rows) else len(mask)


def photo_of_view(view: View, folder: Path) -> Photo:
    """A view of the capture in `folder` as a photo with the view's mask and focal length."""
    rgb = (view.image * 255).round().to(torch.uint8).numpy()
    return Photo(rgb, view.mask.numpy(), float(view.camera.K[0, 0]), folder / f"{view.name}.png")
