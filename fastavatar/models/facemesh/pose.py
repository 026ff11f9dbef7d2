"""From landmarks in pixels to landmarks in metres and the pose of the head.

landmarks (px) ─ eyes of known size ─▶ depth ─ perspective ─▶ landmarks (m, camera) ─ Procrustes ─▶ pose
"""

import math

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import Array, fit_similarity

IRIS_DIAMETER_M = 0.0117
"""Diameter of the visible iris of adults, nearly the same in all (Hashemi et al. 2012: 11.7 ± 0.4 mm)."""
INTERPUPILLARY_M = 0.063
INTERPUPILLARY_RANGE_M = (0.056, 0.070)
"""Distance between the pupils of adults: mean and 95 % of them (ANSUR: 63 ± 3.6 mm)."""
FULL_FRAME_WIDTH_MM = 36.0
ASSUMED_FOCAL_MM = 50.0
"""Focal length on full frame for a photo without one: between a phone's lens and a portrait lens."""

# Face Mesh's iris landmarks: centre, then four points of the rim; the person's right eye, then the left.
_IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))


def assumed_focal_px(width: int, height: int) -> float:
    """Focal length in pixels assumed for a photo of this size in pixels that states none."""
    return ASSUMED_FOCAL_MM / FULL_FRAME_WIDTH_MM * max(width, height)


def metric_landmarks(
    landmarks: NDArray[np.float32], focal_px: float, center_px: tuple[float, float]
) -> Array:
    """Landmarks (478, 3) of Face Mesh in pixels → metres in OpenCV camera axes.

    One photo cannot tell size from distance; the size of the irises decides. Irises span few pixels and are
    partly covered by lids or foreshortened, so the distance between the pupils that they imply is averaged
    (geometrically) with that of the population, and kept within the range of adults.
    """
    points = landmarks.astype(np.float64)
    iris_px = float(np.mean([_diameter_px(points[list(iris)]) for iris in _IRISES]))
    pupils_px = float(np.linalg.norm(points[468] - points[473]))
    pupils_m = np.clip(IRIS_DIAMETER_M / iris_px * pupils_px, *INTERPUPILLARY_RANGE_M)
    metres_per_px = math.sqrt(pupils_m * INTERPUPILLARY_M) / pupils_px
    eyes_z_px = points[468:478, 2].mean()
    # at the eyes, one pixel spans metres_per_px
    # Depth at the eyes is metres_per_px · focal; Face Mesh gives relative depth in pixels
    depth = metres_per_px * (focal_px + points[:, 2] - eyes_z_px)
    on_plane = (points[:, :2] - np.array(center_px)) / focal_px
    return np.concatenate([on_plane * depth[:, None], depth[:, None]], 1)


def _diameter_px(iris: Array) -> float:
    """Diameter of an iris (5, 3): the longer of its two axes, as yaw or a lid shortens the other more."""
    across, along = np.linalg.norm(iris[1] - iris[3]), np.linalg.norm(iris[2] - iris[4])
    return float(max(across, along))


def head_pose(in_camera: Array, canonical: Array) -> Array:
    """Rigid transform (4, 4) from the head frame to camera axes, metres.

    `in_camera` (478, 3) are the observed landmarks, `canonical` (478, 3) those of the template in the head
    frame. The observed size is kept: only rotation and translation of the similarity are used.
    """
    scale, rotation, translation = fit_similarity(canonical, in_camera)
    center = canonical.mean(0)
    pose = np.eye(4)
    pose[:3, :3] = rotation
    # the landmarks' middle stays where it is seen, though the face may be larger or smaller
    pose[:3, 3] = scale * rotation @ center + translation - rotation @ center
    return pose
