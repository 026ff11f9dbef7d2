"""The shipped portrait, and photos the tests derive from it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Photo
from fastavatar.images.photo import load_photo

ROOT = Path(__file__).parents[1]
PORTRAIT = ROOT / "data" / "example.png"
WALL = (176, 168, 160)
"""A backdrop like that of the portrait."""
Rgb = NDArray[np.uint8]


@cache
def portrait() -> Photo:
    return load_photo(PORTRAIT)


def picture() -> Image.Image:
    """The portrait, 512 px square; its face is about 92 px across, centred at (226, 124)."""
    return Image.fromarray(portrait().rgb)


def photo_of(rgb: Rgb) -> Photo:
    """A photo as if it had been loaded."""
    return replace(portrait(), rgb=rgb)


def resized(width_px: int) -> Rgb:
    return np.asarray(picture().resize((width_px, width_px), Image.Resampling.LANCZOS))


def on_wall(size: tuple[int, int], *placed: tuple[int, tuple[int, int]]) -> Rgb:
    """A wall (width, height) with portraits of a width each hung at its left top corner."""
    wall = Image.new("RGB", size, WALL)
    for width_px, corner in placed:
        wall.paste(Image.fromarray(resized(width_px)), corner)
    return np.asarray(wall)


def small_left_large_right() -> Rgb:
    """Two faces, about 63 and 92 px across."""
    return on_wall((900, 520), (350, (0, 100)), (512, (380, 0)))


def without_face() -> Rgb:
    """(60, 80, 3) of noise."""
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
