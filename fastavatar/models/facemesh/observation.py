"""One face in one photo: its landmarks in metres before the camera, and the camera's pose.

photo ─ Face Mesh ─▶ landmarks (px) ─ eyes of known size ─▶ landmarks (m, camera) ─ template ─▶ pose
"""

from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Camera, Face, Photo
from fastavatar.faces import SMALL_FACE_PX
from fastavatar.geometry import Array
from fastavatar.models.facemesh import LANDMARKS, metres_per_px, head_pose, load_template, metric_landmarks


USUAL_DISTANCE_M = 1.0
"""Distance of a face in a photo that does not state its focal length: arm's length to across a table."""


@dataclass(frozen=True)
class Observation:
    """One face in one photo."""

    photo: Photo
    face: Face
    in_camera: Array
    """(478, 3) landmarks in metres, OpenCV camera axes."""
    camera: Camera
    """The photo's camera, float64; its `world_to_camera` is the head's pose by the landmarks alone."""
    warnings: tuple[str, ...]
    """Warnings for the user, one sentence each."""

    @property
    def in_head(self) -> Array:
        """(478, 3) the landmarks in metres, head frame."""
        pose = self.camera.world_to_camera.numpy()
        return np.asarray((self.in_camera - pose[:3, 3]) @ pose[:3, :3])


def observed(photo: Photo, face: Face, chosen: bool) -> Observation:
    """Fits the pose of a face that was found; `chosen` is whether the caller picked it among several."""
    focal_px = _focal_px(photo, face)
    in_camera = metric_landmarks(face.landmarks, focal_px, (photo.width / 2, photo.height / 2))
    pose = head_pose(in_camera, load_template().vertices[:LANDMARKS])
    K = torch.tensor([[focal_px, 0, photo.width / 2], [0, focal_px, photo.height / 2], [0, 0, 1]])
    camera = Camera(K, torch.from_numpy(pose), photo.width, photo.height).to("cpu", torch.float64)
    return Observation(photo, face, in_camera, camera, tuple(_face_warnings(face, chosen)))


def _focal_px(photo: Photo, face: Face) -> float:
    """Focal length in pixels: the photo's own, else the one that puts the face at the usual distance."""
    if photo.focal_px is not None:
        return photo.focal_px
    # Metres per pixel at the face do not depend on the focal length, and distance is their product
    return USUAL_DISTANCE_M / metres_per_px(face.landmarks)


def _face_warnings(face: Face, chosen: bool) -> list[str]:
    warnings = []
    if face.count > 1 and not chosen:
        warnings.append(
            f"the photo shows {face.count} faces: the largest, number {face.index} from the left, is used"
        )
    across = face.box[2] - face.box[0]
    if across < SMALL_FACE_PX:
        warnings.append(f"the face is {across:.0f} px across; under {SMALL_FACE_PX} px likeness suffers")
    return warnings
