"""Equations from the landmarks of several photos, each weighted by how squarely its photo sees it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastavatar.geometry import Array, vertex_normals
from fastavatar.models.facemesh import (
    LANDMARKS,
    Equations,
    Observation,
    Sighting,
    isotropic,
    load_template,
    saturating,
)

# Landmarks on visible features: irises, eyes, nose, lips. The other ones slide over the skin as the face
# turns.
_FEATURES = (
    468, 473, 7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246,
    249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466,
    1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 115, 168, 195, 197, 220, 275, 278, 294, 326, 327, 344, 440,
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191,
    267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
)  # fmt: skip
# Standard deviations of landmarks across and along the line of sight; chosen on both captures
_FEATURE_NOISE_M, _OTHER_NOISE_M, _DEPTH_NOISE_M = 0.004, 0.020, 0.020
_LEAST_FACING = 0.05  # landmarks that face away keep a little weight, so that no photo has none


def mean_landmarks(seen: Sequence[Observation]) -> Array:
    """(478, 3) mean landmarks of all photos, head frame, metres, weighted by how squarely they are seen."""
    weights = np.stack([_facing(one.in_head, one.camera.center.numpy()) for one in seen])
    places = np.stack([one.in_head for one in seen])
    return np.asarray((weights[..., None] * places).sum(0) / weights.sum(0)[:, None])


def landmark_equations(
    photo: int, seen: Observation, vertices: Array, deformations: Array, pose: Array
) -> list[Equations]:
    """Equations of the landmarks seen in one photo, for a head (V, 3) at a pose (4, 4).

    They compare positions in the picture, and depths relative to the mean depth; the absolute distance is
    known far less well. `deformations` are (V, M).
    """
    points, rows = vertices[:LANDMARKS], deformations[:LANDMARKS]
    squarely = np.sqrt(_facing(points, -pose[:3, :3].T @ pose[:3, 3]))
    noise_m = np.full(LANDMARKS, _OTHER_NOISE_M)
    noise_m[list(_FEATURES)] = _FEATURE_NOISE_M
    on_plane = seen.in_camera[:, :2] / seen.in_camera[:, 2:]
    across = Sighting(photo, points, rows, on_plane, isotropic(squarely / noise_m)).equations(pose)

    depth = points @ pose[2, :3]
    deeper = (seen.in_camera[:, 2] - seen.in_camera[:, 2].mean()) - (depth - depth.mean())
    weights = squarely / _DEPTH_NOISE_M
    along = replace(
        across,
        residual=(weights * deeper)[:, None],
        jacobian=weights[:, None, None] * np.array([[0.0, 0.0, 1.0]]),
        fixes_position=False,
    )
    return [_robust(across), _robust(along)]


def _robust(given: Equations) -> Equations:
    """The equations reweighted against outliers (iteratively reweighted least squares)."""
    counts = saturating(np.linalg.norm(given.residual, axis=1))
    return replace(
        given, residual=counts[:, None] * given.residual, jacobian=counts[:, None, None] * given.jacobian
    )


def _facing(landmarks: Array, center: Array) -> Array:
    """(478,) cosines between the normals at landmarks (478, 3) and the directions to a camera at (3,)."""
    template = load_template()
    normals = vertex_normals(template.vertices, template.faces)[:LANDMARKS]
    ray = center - landmarks
    cosine = (normals * ray).sum(1) / np.linalg.norm(ray, axis=1)
    return np.asarray(np.clip(cosine, _LEAST_FACING, 1))
