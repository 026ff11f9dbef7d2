"""One photo to an avatar, with nothing but what ships in the package and in MediaPipe's wheel.

photo ─ Face Mesh ─▶ landmarks ─ pose ─▶ camera + landmarks (m) ─ warp ─▶ head ─ outline ─▶ head with hair
  └──── segmenter ─▶ person mask ───────────────────────────────────────────────┘              │
               └──────────── colours where seen, completed where not ◀── surface points ◀──────┘
"""

import torch

from fastavatar.avatar import Avatar, Provenance
from fastavatar.camera import Camera
from fastavatar.faces.face import Face
from fastavatar.faces.facemesh import SMALL_FACE_PX, choose_face, find_faces
from fastavatar.geometry.arrays import Array
from fastavatar.images.photo import Photo
from fastavatar.models.facemesh.discs import dress
from fastavatar.models.facemesh.outline import fit_outline
from fastavatar.models.facemesh.pose import assumed_focal_px, head_pose, metric_landmarks
from fastavatar.models.facemesh.template import LANDMARKS, load_template
from fastavatar.models.facemesh.view import head_and_shoulders
from fastavatar.models.facemesh.warp import warp_to_landmarks
from fastavatar.models.stages import stage

LICENCE = "free for any use, as far as the photo is yours to use (MIT code, Apache-2.0 face models)"


class FaceMeshPredictor:
    """The embedded model. It has no weights of its own and no random choices."""

    name = "facemesh"

    def __init__(self, device: str = "cpu", seed: int = 0) -> None:
        self.device = device
        self.seed = seed

    def predict(self, photo: Photo, face: int | None = None) -> Avatar:
        """The avatar of the face numbered `face` from the left, of the largest without it.

        Raises `NoFaceError` when there is no such face.
        """
        seconds: dict[str, float] = {}
        with stage(seconds, "find faces"):
            found = choose_face(find_faces(photo.rgb), photo.width, photo.height, face)
        with stage(seconds, "pose"):
            focal_px, warnings = _focal_px(photo)
            in_camera = metric_landmarks(found.landmarks, focal_px, (photo.width / 2, photo.height / 2))
            template = load_template()
            pose = head_pose(in_camera, template.vertices[:LANDMARKS])
            camera = _camera(pose, focal_px, photo)
        with stage(seconds, "person mask"):
            view = head_and_shoulders(photo, found.box, camera)
        with stage(seconds, "fit head"):
            in_head = (in_camera - pose[:3, 3]) @ pose[:3, :3]
            vertices = warp_to_landmarks(template, in_head)
            vertices = fit_outline(template, vertices, view.camera, view.mask)
        with stage(seconds, "colours"):
            gaussians = dress(vertices, view)
        warnings += _face_warnings(found, chosen=face is not None)
        provenance = Provenance(self.name, LICENCE, self.seed, self.device, seconds, tuple(warnings))
        return Avatar(gaussians.to(self.device), camera, photo, found, provenance)


def _focal_px(photo: Photo) -> tuple[float, list[str]]:
    """Focal length in pixels, and a warning where it is assumed."""
    if photo.focal_px is not None:
        return photo.focal_px, []
    assumed = assumed_focal_px(photo.width, photo.height)
    return assumed, [
        f"the photo does not tell its focal length: {assumed:.0f} px, a 50 mm lens on full frame, is assumed "
        "(--focal_px sets it)"
    ]


def _face_warnings(face: Face, chosen: bool) -> list[str]:
    warnings = []
    if face.count > 1 and not chosen:
        warnings.append(
            f"the photo shows {face.count} faces: the largest, {face.index} from the left, is taken "
            "(--face N)"
        )
    across = face.box[2] - face.box[0]
    if across < SMALL_FACE_PX:
        warnings.append(f"the face is {across:.0f} px across; under {SMALL_FACE_PX} px likeness suffers")
    return warnings


def _camera(pose: Array, focal_px: float, photo: Photo) -> Camera:
    K = torch.tensor([[focal_px, 0, photo.width / 2], [0, focal_px, photo.height / 2], [0, 0, 1]])
    return Camera(K, torch.from_numpy(pose).float(), photo.width, photo.height)
