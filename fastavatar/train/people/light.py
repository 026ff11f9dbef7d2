"""Light from all around: made-up studios, rooms and skies, or files of real places."""

from pathlib import Path

import numpy as np

from fastavatar.errors import InputError
from fastavatar.geometry import Array, unit_vectors

ROWS, COLUMNS = 128, 256
_ENDINGS = (".hdr", ".exr")
_WHITE = 1.12
"""What a white card that faces the front shows, before jitter; chosen by eye, so that light skin is light."""


def sample_light(random: np.random.Generator, files: list[Path]) -> Array:
    """Light (rows, columns, 3), linear radiance by direction, of one of `files`, else made up.

    The rows run from the top down, and the middle column is behind the viewer: light from there falls on the
    face. Raises `InputError` for a file that cannot be read.
    """
    if files:
        found = np.roll(_read(files[random.integers(len(files))]), random.integers(1 << 16), axis=1)
    else:
        made_up = (_studio, _room, _sky)[int(random.choice(3, p=[0.45, 0.3, 0.25]))]
        found = made_up(random)
    return _exposed(found, random)


def light_files(folder: Path) -> list[Path]:
    """The .hdr and .exr files of a folder, by name; raises `InputError` where there is none."""
    found = (
        sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS)
        if folder.is_dir()
        else []
    )
    if not found:
        raise InputError(f"{folder} holds no {' or '.join(_ENDINGS)} files")
    return found


def _directions(rows: int, columns: int) -> Array:
    """Direction (rows, columns, 3) of each pixel in the head frame, as Mitsuba's `envmap` has it."""
    v, u = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
    turn, down = 2 * np.pi * u, np.pi * v
    return np.stack([np.sin(turn) * np.sin(down), np.cos(down), -np.cos(turn) * np.sin(down)], -1)


def _toward(azimuth_deg: float, elevation_deg: float) -> Array:
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    return np.array(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    )


def _warmth(random: np.random.Generator, spread: float = 0.10) -> Array:
    """A tint (3,) between warm and cool."""
    shift = random.normal(0, spread)
    return np.asarray(np.exp([shift, 0, -shift]))


def _lamp(light: Array, toward: Array, size: float, strength: Array) -> None:
    """Add a square lamp with soft edges; `size` is the tangent of half its width as seen from the head."""
    where = _directions(*light.shape[:2])
    right = unit_vectors(np.cross([0, 1.0, 0], toward)[None])[0]
    up = np.cross(toward, right)
    depth = where @ toward
    reach = np.maximum(np.abs(where @ right), np.abs(where @ up)) / np.maximum(depth, 1e-3)
    inside = np.where(depth > 0, np.clip((size - reach) / (0.15 * size) + 0.5, 0, 1), 0)
    light += inside[..., None] * strength


def _studio(random: np.random.Generator) -> Array:
    """Grey walls, a key light, and often a fill and a rim light."""
    light = np.full((ROWS, COLUMNS, 3), random.uniform(0.25, 0.8)) * _warmth(random, 0.04)
    side = random.choice([-1.0, 1.0])
    key = _toward(side * random.uniform(10, 60), random.uniform(15, 50))
    _lamp(light, key, random.uniform(0.25, 0.6), random.uniform(6, 14) * _warmth(random))
    if random.random() < 0.7:
        fill = _toward(-side * random.uniform(30, 80), random.uniform(0, 30))
        _lamp(light, fill, random.uniform(0.4, 0.8), random.uniform(0.8, 3) * _warmth(random))
    if random.random() < 0.5:
        rim = _toward(side * random.uniform(120, 165), random.uniform(20, 50))
        _lamp(light, rim, random.uniform(0.2, 0.4), random.uniform(4, 10) * _warmth(random))
    return light


def _room(random: np.random.Generator) -> Array:
    """Walls, a ceiling that is lighter than the floor, and one or two windows."""
    where = _directions(ROWS, COLUMNS)
    wall = random.uniform(0.25, 0.6) * _warmth(random, 0.12)
    light = wall * (1 + np.array([0.5]) * np.clip(where[..., 1:2], -0.8, 1))
    for _ in range(random.integers(1, 3)):
        window = _toward(random.uniform(-110, 110), random.uniform(0, 25))
        _lamp(light, window, random.uniform(0.3, 0.7), random.uniform(3, 9) * np.array([0.92, 1.0, 1.12]))
    return np.asarray(light)


def _sky(random: np.random.Generator) -> Array:
    """A bright or overcast sky with a soft sun, over ground."""
    where = _directions(ROWS, COLUMNS)
    height = where[..., 1:2]
    blue = np.array([0.45, 0.65, 1.0])
    cloud = random.uniform(0.2, 1)
    sky = (1 - cloud) * (
        blue + (np.array([1.1, 1.1, 1.1]) - blue) * np.exp(-4 * np.maximum(height, 0))
    ) + cloud
    ground = random.uniform(0.15, 0.4) * np.array([1.0, 0.95, 0.85])
    light = np.where(height > 0, sky, ground)
    sun = _toward(random.uniform(-100, 100), random.uniform(20, 60))
    # Half a degree of sun would give hard shadows and noise: haze widens it to several degrees
    width = np.radians(random.uniform(7, 14))
    glow = np.exp(-(np.arccos(np.clip(where @ sun, -1, 1)) ** 2) / (2 * width**2))
    power = (1 - 0.8 * cloud) * random.uniform(1.5, 3.0) / (2 * width**2)
    return np.asarray(light + power * glow[..., None] * np.array([1.0, 0.92, 0.8]))


def _exposed(light: Array, random: np.random.Generator) -> Array:
    """The light scaled, and tinted back half-way to white, as a camera's automatic exposure would do."""
    rows, columns = light.shape[:2]
    where = _directions(rows, columns)
    area = 2 * np.pi**2 / (rows * columns) * np.sqrt(np.maximum(1 - where[..., 1] ** 2, 0))
    facing = np.maximum(where @ unit_vectors(np.array([[0.0, 0.35, 1.0]]))[0], 0) * area / np.pi
    white = (light * facing[..., None]).sum((0, 1))
    if not (np.isfinite(white).all() and white.min() > 0):
        raise InputError("a file of light is dark or not finite")
    balance = white.mean() * (white / white.mean()) ** 0.6
    return np.asarray(light / balance * _WHITE * random.uniform(0.8, 1.15))


def _read(path: Path) -> Array:
    import mitsuba as mi

    try:
        bitmap = mi.Bitmap(str(path)).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False)
        found = np.array(bitmap, np.float64)
    except RuntimeError as error:
        raise InputError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    # Large maps only slow the renderer down: the head shows no sharp reflections but in the eyes
    step = max(1, found.shape[0] // 512)
    rows, columns = (side // step * step for side in found.shape[:2])
    return np.asarray(
        found[:rows, :columns].reshape(rows // step, step, columns // step, step, 3).mean((1, 3))
    )
