"""One face in each of one or several photos: the head that all show, and the camera of each.

photos ─ Face Mesh ─▶ landmarks (px) ─ parametric head ─▶ shape, poses, lenses
                        └─ minus the shape's landmarks ─▶ offsets (m)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Camera, Face, HeadParameters, Photo
from fastavatar.faces import SMALL_FACE_PX
from fastavatar.geometry import Array
from fastavatar.head import LandmarkView, fit_head, load_head
from fastavatar.models.facemesh import person_of

FAR_TURNED_DEG, FAR_TILTED_DEG = 40.0, 30.0
"""Yaw beyond which half of a face is hidden, and roll beyond which Face Mesh places landmarks less surely."""


@dataclass(frozen=True)
class Observation:
    """One face in one photo."""

    photo: Photo
    face: Face
    shape: Array
    """(V, 3) the head that all photos show, head frame, metres."""
    parameters: HeadParameters
    """Its identity, mean expression and joints."""
    offsets: Array
    """(468, 3) from the head's landmarks to where the photo shows them, as deep; head frame, metres."""
    camera: Camera
    """The photo's camera, float64; its `world_to_camera` is the head's pose by the landmarks alone."""
    warnings: tuple[str, ...]
    """Warnings for the user, one sentence each."""


def observe(photos: Sequence[Photo], faces: Sequence[Face], chosen: bool = False) -> list[Observation]:
    """Fits one head to the faces found in photos of one person.

    The head has the mean of the photos' expressions. A photo without a focal length gets the one at which the
    face stands at a usual distance. `chosen` is whether the caller picked the face among several.
    """
    centers = [(photo.width / 2, photo.height / 2) for photo in photos]
    head = load_head()
    fit = fit_head(
        head,
        [
            LandmarkView(face.landmarks, center, photo.focal_px)
            for photo, face, center in zip(photos, faces, centers, strict=True)
        ],
    )
    expression = fit.expressions.mean(0)
    shape = person_of(fit.identity, expression)
    joints = head.joints_of(fit.identity)
    parameters = HeadParameters(*(torch.from_numpy(a).float() for a in (fit.identity, expression, joints)))
    seen = []
    for photo, face, center, focal, pose, residual_px in zip(
        photos, faces, centers, fit.focal_px, fit.world_to_camera, fit.residuals_px, strict=True
    ):
        K = torch.tensor([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
        camera = Camera(K, torch.from_numpy(pose), photo.width, photo.height).to("cpu", torch.float64)
        # A landmark lies on its pixel's ray, as deep as the fitted head is there
        depth = head.places.at(shape)[: len(residual_px)] @ pose[2, :3] + pose[2, 3]
        offsets = (residual_px / focal * depth[:, None]) @ pose[:2, :3]
        warnings = (*_face_warnings(face, chosen), *_pose_warnings(pose[:3, :3]))
        seen.append(Observation(photo, face, shape, parameters, offsets, camera, warnings))
    return seen


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


def _pose_warnings(rotation: Array) -> list[str]:
    """Warnings about a head with this rotation (3, 3) from the head frame to camera axes."""
    # The third column is the face's direction, the first the head's left, in camera axes
    yaw_deg = np.degrees(np.arctan2(rotation[0, 2], -rotation[2, 2]))
    roll_deg = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    warnings = []
    if abs(yaw_deg) > FAR_TURNED_DEG:
        warnings.append(f"the head is turned aside by {abs(yaw_deg):.0f}°: its hidden half is a guess")
    if abs(roll_deg) > FAR_TILTED_DEG:
        warnings.append(f"the head is tilted by {abs(roll_deg):.0f}° in the photo: turn the photo upright")
    return warnings
