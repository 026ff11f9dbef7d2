"""One photo to an avatar, with nothing but what ships in the package and in MediaPipe's wheel.

photo ─ Face Mesh ─▶ landmarks ─ pose ─▶ camera + landmarks (m) ─ warp ─▶ head ─ outline ─▶ head with hair
  └──── segmenter ─▶ person mask ───────────────────────────────────────────────┘              │
               └──────────── colours where seen, completed where not ◀── surface points ◀──────┘
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.avatar import Avatar, Provenance
from fastavatar.camera import Camera
from fastavatar.faces.face import Face
from fastavatar.faces.facemesh import SMALL_FACE_PX, choose_face, find_faces
from fastavatar.gaussians import Gaussians, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry.quaternions import quaternion_wxyz_from_matrix
from fastavatar.images.person_mask import person_mask
from fastavatar.images.photo import Photo
from fastavatar.models.facemesh.outline import fit_outline, hangs_below
from fastavatar.models.facemesh.pose import assumed_focal_px, head_pose, metric_landmarks
from fastavatar.models.facemesh.surface import stretch, surface_points, vertex_normals
from fastavatar.models.facemesh.template import LANDMARKS, NECK, TORSO, Array, load_template
from fastavatar.models.facemesh.texture import complete_colors, sample_photo, visible_points
from fastavatar.models.facemesh.warp import warp_to_landmarks
from fastavatar.models.stages import stage

LICENCE = "free for any use, as far as the photo is yours to use (MIT code, Apache-2.0 face models)"
OPACITY = 0.97
DISC_WIDTH = 0.75
"""Standard deviation of a disc along the surface, in distances between points: closed, not blurred."""
DISC_THICKNESS = 0.15
"""Standard deviation across the surface, in those along it."""
_WORKING_PX_M = 0.0007


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
            view = _WorkingView(photo, found, camera)
        with stage(seconds, "fit head"):
            in_head = (in_camera - pose[:3, 3]) @ pose[:3, :3]
            vertices = warp_to_landmarks(template, in_head)
            vertices = fit_outline(template, vertices, view.camera, view.mask)
        with stage(seconds, "colours"):
            gaussians = _dress(vertices, view)
        warnings += _face_warnings(found)
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


def _face_warnings(face: Face) -> list[str]:
    warnings = []
    if face.count > 1:
        warnings.append(
            f"the photo shows {face.count} faces: face {face.index} from the left is taken (--face)"
        )
    across = face.box[2] - face.box[0]
    if across < SMALL_FACE_PX:
        warnings.append(f"the face is {across:.0f} px across; under {SMALL_FACE_PX} px likeness suffers")
    return warnings


def _camera(pose: Array, focal_px: float, photo: Photo) -> Camera:
    K = torch.tensor([[focal_px, 0, photo.width / 2], [0, focal_px, photo.height / 2], [0, 0, 1]])
    return Camera(K, torch.from_numpy(pose).float(), photo.width, photo.height)


class _WorkingView:
    """The photo around head and shoulders, no finer than the surface points can show."""

    def __init__(self, photo: Photo, face: Face, camera: Camera) -> None:
        left, top, right, bottom = _head_and_shoulders(face.box, photo.width, photo.height)
        metres_per_px = float(camera.world_to_camera[2, 3] / camera.K[0, 0])
        scale = min(1.0, metres_per_px / _WORKING_PX_M)
        width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))

        def resized(values: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
            picture = Image.fromarray(values[top:bottom, left:right])
            return np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)

        rgb = resized(photo.rgb)
        self.rgb = rgb / 255
        has_cutout = photo.alpha is not None and float(photo.alpha.min()) < 0.5
        self.mask = (
            resized(photo.alpha)
            if has_cutout and photo.alpha is not None
            else person_mask(rgb.astype(np.uint8))
        )
        K = camera.K.clone()
        K[:2, 2] -= torch.tensor([left, top])
        self.camera = Camera(K, camera.world_to_camera, right - left, bottom - top).resized(width, height)


def _head_and_shoulders(
    box: tuple[float, float, float, float], width: int, height: int
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of what belongs to the head around a face's box."""
    size = max(box[2] - box[0], box[3] - box[1])
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return (
        max(0, round(middle_x - 1.6 * size)),
        max(0, round(middle_y - 1.5 * size)),
        min(width, round(middle_x + 1.6 * size)),
        min(height, round(middle_y + 2.2 * size)),
    )


def _dress(vertices: Array, view: _WorkingView) -> Gaussians:
    """Discs on the surface of the fitted head (V, 3), coloured from the photo."""
    template, points = load_template(), surface_points()
    means = points.at(vertices)
    normals = points.at(vertex_normals(vertices, template.faces))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    world = view.camera.to("cpu", torch.float64)
    pixels, depth = (values.numpy() for values in world.project(torch.from_numpy(means)))
    to_camera = world.center.numpy() - means
    facing = (normals * to_camera).sum(1) / np.linalg.norm(to_camera, axis=1)
    colors, covered = sample_photo(view.rgb, view.mask, pixels)
    seen = covered & visible_points(pixels, depth, facing)
    colors = complete_colors(colors, seen, points.neighbours, points.mirror)

    width = DISC_WIDTH * points.spacing * stretch(points, template.vertices, vertices)
    scales = np.stack([width, width, DISC_THICKNESS * width], 1)
    kept = ~hangs_below(means, np.isin(points.region, (NECK, TORSO)), view.camera, view.mask)
    gaussians = Gaussians(
        torch.from_numpy(means).float(),
        quaternion_wxyz_from_matrix(_frames(torch.from_numpy(normals))).float(),
        encode_scales(torch.from_numpy(scales)).float(),
        encode_opacities(torch.full((len(means),), OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )
    return gaussians.subset(torch.from_numpy(kept))


def _frames(normals: torch.Tensor) -> torch.Tensor:
    """Rotations (N, 3, 3) whose third axis is the unit normal (N, 3)."""
    helper = torch.where(
        normals[:, :1].abs() < 0.9, torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    ).to(normals)
    tangent = torch.nn.functional.normalize(torch.linalg.cross(helper, normals), dim=1)
    return torch.stack([tangent, torch.linalg.cross(normals, tangent), normals], 2)
