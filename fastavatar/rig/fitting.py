"""Fits the parametric head to Gaussians of any origin, seen from several sides.

Gaussians ─ draw ─▶ pictures ─ Face Mesh ─▶ landmarks ─ fit_head ─▶ head ─ depth ─▶ place, size ─ warp ─▶ head
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Camera, Face, Gaussians
from fastavatar.errors import NoFaceError
from fastavatar.faces import FaceMeshFinder
from fastavatar.geometry import (
    Array,
    Bools,
    fit_similarity,
    spread_offsets,
    unit_vectors,
    vertex_normals,
)
from fastavatar.head import (
    HeadFit,
    LandmarkView,
    ParametricHead,
    arkit_weights,
    fit_head,
)
from fastavatar.rendering import facing_camera, head_sphere
from fastavatar.rig import DepthView, depth_of, drawn_without_gradients

FACE_LANDMARKS = 468
"""Landmarks of the skin; the irises that follow move with the gaze."""
VIEW_PX = 640
ROOM = 1.3
"""Width of the pictures in diameters of the head's sphere."""
FRONTS_DEG = (0.0, 45.0, -45.0, 90.0, -90.0, 180.0)
"""Azimuths at which a face is looked for, in this order."""
ASIDE_DEG = (-22.0, 22.0)
"""Azimuths, from where the face was found, of the further views."""
WARP_RADIUS_M, WARP_RIDGE = 0.035, 0.3
"""How far a landmark takes the surface along, and how much neighbours are averaged; chosen by eye."""
MOST_WARPED_M = 0.008
"""Depths that differ by more are of another surface, such as hair before the brow."""
FACING = 0.3
"""Cosine between normal and view from which a landmark's depth is drawn, not that of a rim."""


@dataclass(frozen=True)
class FittedHead:
    """The parametric head where some Gaussians show it."""

    vertices: Array
    """(V, 3) metres, or the Gaussians' unit."""
    expression: Array
    """(52,) weights that they show."""
    joints: Array
    """(5, 3) in the order of `ParametricHead.joint_names`."""
    axes: Array
    """(3, 3) rotation from the parametric head's axes to those of the Gaussians."""
    scale: float
    """Gaussians' units per metre: 1 for metres."""
    view: DepthView
    """What is seen of the head at rest."""
    landmarks: Array | None = None
    """(478, 2) the face in that view, pixels; None where the head was not found in it."""


@dataclass(frozen=True)
class _View(DepthView):
    """A view in which a face was found."""

    face: Face


def find_head(gaussians: Gaussians, head: ParametricHead) -> FittedHead:
    """The parametric head fitted to Gaussians (N); raises `NoFaceError`, with what helps, without a face."""
    center, radius_m = head_sphere(gaussians)
    camera = facing_camera(center, ROOM * radius_m, VIEW_PX)
    first = None
    for azimuth in FRONTS_DEG:
        facing = camera.orbited(azimuth, target=center)
        first = _seen(gaussians, facing)
        if first is not None:
            break
    if first is None:
        raise NoFaceError(
            "no face is found on the Gaussians from any side, so they cannot be moved: the head must stand "
            "upright with its face uncovered; turn it, or state the axes that its file was written in"
        )
    aside = [_seen(gaussians, facing.orbited(azimuth, target=center)) for azimuth in ASIDE_DEG]
    views = [first, *(view for view in aside if view is not None)]
    fit = fit_head(head, [_landmarks(view) for view in views])
    return _placed(head, fit, views)


def _seen(gaussians: Gaussians, camera: Camera) -> _View | None:
    """The largest face that a camera sees; None without one."""
    drawn = drawn_without_gradients(gaussians, camera)
    pixels = (drawn.image.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    faces = FaceMeshFinder().find(pixels)
    if not faces:
        return None
    return _View(camera, depth_of(drawn), max(faces, key=lambda face: face.area))


def _landmarks(view: _View) -> LandmarkView:
    K = view.camera.K
    return LandmarkView(
        view.face.landmarks,
        (float(K[0, 2]), float(K[1, 2])),
        float(K[0, 0]),
        arkit_weights(view.face.expression) if view.face.expression else None,
    )


def _placed(head: ParametricHead, fit: HeadFit, views: Sequence[_View]) -> FittedHead:
    """The fitted head moved to where the views' depths have it, and warped to the landmarks of the first."""
    lifted = [_lifted(head, fit, index, view) for index, view in enumerate(views)]
    move = fit_similarity(
        np.concatenate([each.source for each in lifted]), np.concatenate([each.fitted for each in lifted])
    )
    vertices = move.apply(head.vertices(fit.identity, fit.expressions[0]))
    anchors = head.places.at(vertices)[:FACE_LANDMARKS]
    known = lifted[0].known
    offsets = (lifted[0].found - anchors)[known]
    vertices += spread_offsets(vertices, anchors[known], offsets, WARP_RADIUS_M * move.scale, WARP_RIDGE)
    joints = move.apply(head.joints_of(fit.identity))
    landmarks = views[0].face.landmarks[:, :2].astype(np.float64)
    return FittedHead(vertices, fit.expressions[0], joints, move.rotation, move.scale, views[0], landmarks)


@dataclass(frozen=True)
class _Lifted:
    """Landmarks (468, 3) of one view in three dimensions."""

    source: Array
    """Those of the fitted head, in its own frame."""
    fitted: Array
    """The same where the view has them, in the frame of the Gaussians."""
    found: Array
    """Where the view shows the landmarks themselves: beside those by the residual, and as deep as drawn."""
    known: Bools
    """(468,) which of them face the camera."""


def _lifted(head: ParametricHead, fit: HeadFit, index: int, view: _View) -> _Lifted:
    vertices = head.vertices(fit.identity, fit.expressions[index])
    source = head.places.at(vertices)[:FACE_LANDMARKS]
    pose, focal_px = fit.world_to_camera[index], fit.focal_px[index]
    fitted = source @ pose[:3, :3].T + pose[:3, 3]
    normals = head.places.at(vertex_normals(vertices, head.faces))[:FACE_LANDMARKS] @ pose[:3, :3].T
    depth = view.depth_at(view.face.landmarks[:FACE_LANDMARKS])
    known = (depth > 0) & ((normals * unit_vectors(fitted)).sum(1) < -FACING)
    # A head looks alike at any size and distance; the depth drawn tells which it is
    size = float(np.median(depth[known] / fitted[known, 2])) if known.any() else 1.0
    fitted = size * fitted
    ahead = np.where(np.abs(depth - fitted[:, 2]) < MOST_WARPED_M * size, depth - fitted[:, 2], 0)
    found = np.column_stack(
        [fitted[:, :2] + fit.residuals_px[index] / focal_px * fitted[:, 2:], fitted[:, 2]]
    )
    found *= ((fitted[:, 2] + ahead) / fitted[:, 2])[:, None]
    to_world = np.linalg.inv(view.camera.world_to_camera.double().numpy())
    fitted, found = (points @ to_world[:3, :3].T + to_world[:3, 3] for points in (fitted, found))
    return _Lifted(source, fitted, found, known)
