"""Settings of the viewer page: its camera, the camera's motion, and colours without tone mapping.

The format is version 2 of `ExperienceSettings` of `@playcanvas/supersplat-viewer`. The viewer rotates a PLY
in the frame `supersplat` back, so its world frame is the head frame.
"""

import math
from typing import Any

from fastavatar.core import Camera, Gaussians
from fastavatar.rendering import facing_camera, head_sphere, path_angles

BACKGROUND = (1.0, 1.0, 1.0)
SWAY_S, KEYS, KEYS_PER_S = 12.0, 24, 2.0
"""Seconds of one sway, chosen by eye, and the number of camera positions that are interpolated."""

Settings = dict[str, Any]


def viewer_settings(gaussians: Gaussians) -> Settings:
    """The settings, JSON-ready, of a page that shows head-frame Gaussians from the front, swaying by ±35°.

    Each `fov` is the angle over the shorter side of the page, in degrees. Raises what `head_sphere` raises.
    """
    center, radius_m = head_sphere(gaussians)
    front = facing_camera(center, radius_m, 2)
    fov_deg = _field_of_view_deg(front)
    views = [front.orbited(azimuth, raised, center) for azimuth, raised in path_angles("sway", KEYS)]
    return {
        "version": 2,
        "tonemapping": "none",
        "highPrecisionRendering": False,
        "background": {"color": list(BACKGROUND)},
        "postEffectSettings": _NO_EFFECTS,
        "animTracks": [
            {
                "name": "sway",
                "duration": SWAY_S,
                "frameRate": KEYS_PER_S,
                "loopMode": "repeat",
                "interpolation": "spline",
                "smoothness": 1,
                "keyframes": {
                    "times": list(range(KEYS)),
                    "values": {
                        "position": [number for view in views for number in view.center.tolist()],
                        "target": center.tolist() * KEYS,
                        "fov": [fov_deg] * KEYS,
                    },
                },
            }
        ],
        "cameras": [
            {"initial": {"position": front.center.tolist(), "target": center.tolist(), "fov": fov_deg}}
        ],
        "annotations": [],
        "startMode": "animTrack",
    }


def _field_of_view_deg(camera: Camera) -> float:
    """Field of view, in degrees, across the width of a square picture."""
    return 2 * math.degrees(math.atan(camera.width / 2 / float(camera.K[0, 0])))


_NO_EFFECTS = {
    "sharpness": {"enabled": False, "amount": 0},
    "bloom": {"enabled": False, "intensity": 0.1, "blurLevel": 2},
    "grading": {"enabled": False, "brightness": 1, "contrast": 1, "saturation": 1, "tint": [1, 1, 1]},
    "vignette": {"enabled": False, "intensity": 0.5, "inner": 0.3, "outer": 0.75, "curvature": 1},
    "fringing": {"enabled": False, "intensity": 0.5},
}
