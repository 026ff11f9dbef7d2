"""One face in each of one or several photos: the head that all show, and the camera of each.

photos ─ Face Mesh ─▶ landmarks (px) ─ parametric head ─▶ shape of the template, poses, lenses
                        └─ rays to the shape's depth ─▶ landmarks (m)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Camera, Face, Photo
from fastavatar.faces import face_concerns
from fastavatar.geometry import Array
from fastavatar.head import LandmarkView, fit_head, load_head
from fastavatar.models.facemesh import LANDMARKS, shaped_template


@dataclass(frozen=True)
class Observation:
    """One face in one photo."""

    photo: Photo
    face: Face
    shape: Array
    """(V, 3) the template in the shape of the head that all photos show, head frame, metres."""
    in_camera: Array
    """(478, 3) landmarks in metres, OpenCV camera axes: where the photo shows them, as deep as the shape."""
    camera: Camera
    """The photo's camera, float64; its `world_to_camera` is the head's pose by the landmarks alone."""
    warnings: tuple[str, ...]
    """Warnings for the user, one sentence each."""

    @property
    def in_head(self) -> Array:
        """(478, 3) the landmarks in metres, head frame."""
        pose = self.camera.world_to_camera.numpy()
        return np.asarray((self.in_camera - pose[:3, 3]) @ pose[:3, :3])


def observe(photos: Sequence[Photo], faces: Sequence[Face], chosen: bool = False) -> list[Observation]:
    """Fits one head to the faces found in photos of one person.

    The head has the mean of the photos' expressions. A photo without a focal length gets the one at which the
    face stands at a usual distance. `chosen` is whether the caller picked the face among several.
    """
    centers = [(photo.width / 2, photo.height / 2) for photo in photos]
    fit = fit_head(
        load_head(),
        [
            LandmarkView(face.landmarks, center, photo.focal_px)
            for photo, face, center in zip(photos, faces, centers, strict=True)
        ],
    )
    shape = shaped_template(fit.identity, fit.expressions.mean(0))
    seen = []
    for photo, face, center, focal, pose in zip(
        photos, faces, centers, fit.focal_px, fit.world_to_camera, strict=True
    ):
        K = torch.tensor([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1]])
        camera = Camera(K, torch.from_numpy(pose), photo.width, photo.height).to("cpu", torch.float64)
        # A landmark lies on its pixel's ray, as deep as the fitted head is there
        depth = shape[:LANDMARKS] @ pose[2, :3] + pose[2, 3]
        on_plane = (face.landmarks[:, :2].astype(np.float64) - np.array(center)) / focal
        in_camera = np.concatenate([on_plane * depth[:, None], depth[:, None]], 1)
        warnings = tuple(face_concerns(photo.rgb, face, pose[:3, :3], chosen))
        seen.append(Observation(photo, face, shape, in_camera, camera, warnings))
    return seen
