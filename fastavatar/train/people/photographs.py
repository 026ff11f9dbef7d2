"""Pictures of a scene by several cameras: rendered together, developed as a camera would."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from fastavatar.core import Camera
from fastavatar.geometry import Array
from fastavatar.train.people import encoded

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the axes of Mitsuba's cameras (x left, y up, z forward) to OpenCV's (x right, y down)."""
_PATHS_AT_ONCE = 30_000_000
"""Light paths in one go: each holds about 100 bytes of state, and each go costs half a second."""


def photographed(scene: Any, cameras: Sequence[Camera], samples: int) -> list[NDArray[np.uint8]]:
    """What each camera sees, (H, W, 4): sRGB, and coverage as alpha; colours are not multiplied by it.

    The cameras' pictures have one size, `samples` light paths a pixel. The same scene gives the same bytes.
    """
    import mitsuba as mi

    width, height = cameras[0].width, cameras[0].height
    together = max(1, _PATHS_AT_ONCE // (width * height * samples))
    pictures = []
    for first in range(0, len(cameras), together):
        some = cameras[first : first + together]
        batch: dict[str, Any] = {f"camera{index:03d}": _sensor(camera) for index, camera in enumerate(some)}
        batch |= {"type": "batch", "film": _film(width * len(some), height), "sampler": _SAMPLER}
        sensor = mi.load_dict(batch)
        seed: Any = first
        wide = np.array(mi.render(scene, sensor=sensor, spp=samples, seed=seed), np.float64)
        pictures += [_finished(one) for one in np.split(wide, len(some), axis=1)]
    return pictures


_SAMPLER = {"type": "multijitter"}
"""Stratified samples: as much noise as four to eight times as many independent ones on skin."""


def _sensor(camera: Camera) -> dict[str, Any]:
    import mitsuba as mi

    to_camera = camera.world_to_camera.double().numpy()
    distance = float(np.linalg.norm(to_camera[:3, 3]))
    return {
        "type": "perspective",
        "fov": math.degrees(2 * math.atan(camera.width / (2 * float(camera.K[0, 0])))),
        "fov_axis": "x",
        "near_clip": 1e-3 * distance,
        "far_clip": 1e3 * distance,
        "to_world": mi.ScalarTransform4f(np.linalg.inv(_FLIP @ to_camera)),
        "film": _film(camera.width, camera.height),
        "sampler": _SAMPLER,
    }


def _film(width: int, height: int) -> dict[str, Any]:
    # The box filter sums each pixel's samples in one order, so that the same seed gives the same bytes
    size = {"width": width, "height": height}
    return {"type": "hdrfilm", **size, "pixel_format": "rgba", "rfilter": {"type": "box"}}


def _finished(found: Array) -> NDArray[np.uint8]:
    found = without_fireflies(found)
    alpha = np.clip(found[..., 3:], 0, 1)
    colors = developed(np.maximum(found[..., :3], 0) / np.maximum(alpha, 1e-3)) * (alpha > 0)
    return (np.concatenate([colors, alpha], 2) * 255).round().astype(np.uint8)


def without_fireflies(found: Array) -> Array:
    """A picture (H, W, C) whose single bright pixels are as bright as the brightest of their neighbours.

    They are paths that met a small, bright light by chance; more samples would average them out.
    """
    around = np.ones((3, 3, 1), bool)
    around[1, 1] = False
    brightest = maximum_filter(found, footprint=around, mode="nearest")
    return np.asarray(np.minimum(found, brightest))


def developed(light: Array) -> Array:
    """SRGB in 0…1 of linear RGB; highlights above 0.7 roll off, as on film, instead of being cut at 1."""
    knee = 0.7
    rolled = knee + (1 - knee) * (1 - np.exp(-(np.maximum(light, knee) - knee) / (1 - knee)))
    return encoded(np.where(light > knee, rolled, light))
