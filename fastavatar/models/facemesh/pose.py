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

# Face Mesh's iris landmarks: centre, then four points of the rim; the person's right eye, then the left.
_IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))


def metric_landmarks(
    landmarks: NDArray[np.float32], focal_px: float, center_px: tuple[float, float]
) -> Array:
    """Landmarks (478, 3) of Face Mesh in pixels → metres in OpenCV camera axes."""
    points = landmarks.astype(np.float64)
    scale = metres_per_px(landmarks)
    eyes_z_px = points[468:478, 2].mean()
    # Depth at the eyes is metres per pixel · focal; Face Mesh gives relative depth in pixels
    depth = scale * (focal_px + points[:, 2] - eyes_z_px)
    on_plane = (points[:, :2] - np.array(center_px)) / focal_px
    return np.concatenate([on_plane * depth[:, None], depth[:, None]], 1)


def metres_per_px(landmarks: NDArray[np.float32]) -> float:
    """Size of a pixel at the distance of the eyes, from Face Mesh's landmarks (478, 3) in pixels.

    One photo cannot tell size from distance; the size of the irises decides. Irises span few pixels and are
    partly covered by lids or foreshortened, so the distance between the pupils that they imply is averaged
    (geometrically) with that of the population, and kept within the range of adults.
    """
    points = landmarks.astype(np.float64)
    iris_px = float(np.mean([_diameter_px(points[list(iris)]) for iris in _IRISES]))
    pupils_px = float(np.linalg.norm(points[468] - points[473]))
    pupils_m = np.clip(IRIS_DIAMETER_M / iris_px * pupils_px, *INTERPUPILLARY_RANGE_M)
    return math.sqrt(pupils_m * INTERPUPILLARY_M) / pupils_px


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
