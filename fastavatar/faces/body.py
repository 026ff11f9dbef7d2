"""How a body stands before the camera, by MediaPipe Pose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import Array
from fastavatar.images import as_image, open_task

_NOSE, _EARS, _SHOULDERS = 0, [7, 8], [11, 12]


@dataclass(frozen=True)
class Body:
    """Joints of one person, OpenCV camera axes; pairs hold the person's left, then right."""

    nose_px: Array
    """(2,) where the nose is in the photo."""
    ears: Array
    """(2, 3) metres, from the middle of the hips."""
    shoulders: Array
    """(2, 3) metres, from the middle of the hips; guessed where the photo does not show them."""


def find_body(rgb: NDArray[np.uint8]) -> Body | None:
    """The body that shows most in a photo (H, W, 3), None without one."""
    with open_task("PoseLandmarker", "pose_landmarker.task") as network:
        found = network.detect(as_image(rgb))
    if not found.pose_world_landmarks:
        return None
    joints = np.array([[p.x, p.y, p.z] for p in found.pose_world_landmarks[0]])
    nose = found.pose_landmarks[0][_NOSE]
    height, width = rgb.shape[:2]
    return Body(np.array([nose.x * width, nose.y * height]), joints[_EARS], joints[_SHOULDERS])
