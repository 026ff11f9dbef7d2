"""One face in each of one or several photos: the head that all show, and the camera of each.

photos ─ Face Mesh ─▶ landmarks (px) ─ parametric head ─▶ shape, poses, lenses
                        └─ minus the shape's landmarks ─▶ offsets (m)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fastavatar.core import Camera, Face, HeadParameters, Photo
from fastavatar.faces import face_concerns
from fastavatar.geometry import Array
from fastavatar.head import HeadFit, LandmarkView, fit_head, load_head
from fastavatar.models.facemesh import person_of


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
    chosen: bool
    """Whether the caller picked the face among several."""

    def concerns(self) -> tuple[str, ...]:
        """Warnings about the face, one sentence each; a network looks at it for them."""
        rotation = self.camera.world_to_camera[:3, :3].numpy()
        return tuple(face_concerns(self.photo.rgb, self.face, rotation, self.chosen))


def landmark_views(photos: Sequence[Photo], faces: Sequence[Face]) -> list[LandmarkView]:
    """The landmarks of faces, each in its photo."""
    return [
        LandmarkView(face.landmarks, (photo.width / 2, photo.height / 2), photo.focal_px)
        for photo, face in zip(photos, faces, strict=True)
    ]


def observe(photos: Sequence[Photo], faces: Sequence[Face], chosen: bool = False) -> list[Observation]:
    """Fits one head to the faces found in photos of one person.

    The head has the mean of the photos' expressions. A photo without a focal length gets the one at which the
    face stands at a usual distance. `chosen` is whether the caller picked the face among several.
    """
    fit = fit_head(load_head(), landmark_views(photos, faces))
    return observations(photos, faces, fit, chosen)


def fitted_cameras(photos: Sequence[Photo], fit: HeadFit) -> list[Camera]:
    """The cameras of photos to which a head was fitted, float64."""
    cameras = []
    for photo, focal, pose in zip(photos, fit.focal_px, fit.world_to_camera, strict=True):
        K = torch.tensor([[focal, 0, photo.width / 2], [0, focal, photo.height / 2], [0, 0, 1]])
        camera = Camera(K, torch.from_numpy(pose), photo.width, photo.height)
        cameras.append(camera.to("cpu", torch.float64))
    return cameras


def observations(
    photos: Sequence[Photo], faces: Sequence[Face], fit: HeadFit, chosen: bool = False
) -> list[Observation]:
    """What `observe` returns, of a head that was fitted to these photos."""
    head = load_head()
    expression = fit.expressions.mean(0)
    shape = person_of(fit.identity, expression)
    joints = head.joints_of(fit.identity)
    parameters = HeadParameters(*(torch.from_numpy(a).float() for a in (fit.identity, expression, joints)))
    seen = []
    for photo, face, camera, residual_px in zip(
        photos, faces, fitted_cameras(photos, fit), fit.residuals_px, strict=True
    ):
        pose, focal_px = camera.world_to_camera.numpy(), float(camera.K[0, 0])
        # A landmark lies on its pixel's ray, as deep as the fitted head is there
        depth = head.places.at(shape)[: len(residual_px)] @ pose[2, :3] + pose[2, 3]
        offsets = (residual_px / focal_px * depth[:, None]) @ pose[:2, :3]
        seen.append(Observation(photo, face, shape, parameters, offsets, camera, chosen))
    return seen
