"""Bundle adjustment: one head and the poses of several photos, with a prior on heads.

landmarks of every photo ─┐
                          ├─▶ Gauss–Newton on the head's coefficients and a pose a photo ─▶ head, poses
matches between photos ───┘                        └─ matched again ◀──┘
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array, farthest_points, fit_similarity
from fastavatar.models.facemesh import (
    LANDMARKS,
    HeadView,
    Observation,
    Search,
    landmark_equations,
    load_template,
    match_views,
    mean_landmarks,
    pulled_to_landmarks,
    solve,
)

_ANCHORS = 120
_SCALES_M = ((0.10, 0.015), (0.035, 0.006))
"""Correlation length of deformations and their standard deviation, metres: proportions, then features."""


@cache
def smooth_deformations() -> Array:
    """(V, 120) basis of deformations: vertices move by this times coefficients (120, 3), metres.

    The coefficients are standard normal a priori. This is a Gaussian process over the template's vertices
    (Lüthi et al. 2018), by Nyström's method at points spread evenly.
    """
    vertices = load_template().vertices
    anchors = vertices[farthest_points(vertices, _ANCHORS)]
    # Nyström: K(V, A) K(A, A)⁻¹ K(A, V) ≈ K(V, V), so L⁻¹ K(A, V) is a square root of it
    factor = np.linalg.cholesky(_covariance(anchors, anchors) + 1e-10 * np.eye(_ANCHORS))
    return np.asarray(solve_triangular(factor, _covariance(anchors, vertices), lower=True).T)


def _covariance(a: Array, b: Array) -> Array:
    """Covariances (A, B) of the movements of points (A, 3), (B, 3), square metres: squared exponentials."""
    # k(a, b) = Σ s²·exp(−‖a − b‖² / 2l²), over correlation lengths l and standard deviations s
    squares = cdist(a, b, "sqeuclidean")
    return np.asarray(sum(size**2 * np.exp(-squares / (2 * reach**2)) for reach, size in _SCALES_M))


# Landmarks alone, then matches within 16 mm, then finer ones within 8 mm
_ROUNDS = (None,) * 3 + (Search(0.002, 6, 8),) * 3 + (Search(0.001, 8, 8),) * 3
_EYE_CORNERS = (33, 263)


def fit_together(seen: Sequence[Observation], views: Sequence[HeadView]) -> tuple[Array, list[Array]]:
    """Vertices (V, 3) of the head that all photos show, head frame, and its pose (4, 4) before each camera.

    `views` are the photos' pictures with the cameras of `seen`. The head is aligned with the template.
    """
    deformations = smooth_deformations()
    start = pulled_to_landmarks(seen[0].shape, mean_landmarks(seen))
    eyes_m = _eyes_apart(start)
    coefficients = np.zeros((deformations.shape[1], 3))
    poses = [one.camera.world_to_camera.numpy() for one in seen]
    # Gauss–Newton: linearise at the current head and poses, solve, move
    for search in _ROUNDS:
        vertices = start + deformations @ coefficients
        equations = [
            asked
            for photo, (one, pose) in enumerate(zip(seen, poses, strict=True))
            for asked in landmark_equations(photo, one, vertices, deformations, pose)
        ]
        if search is not None:
            found = match_views(vertices, deformations, posed(views, poses), search)
            equations += [sighting.equations(poses[sighting.photo]) for sighting in found]
        change, turns, shifts = solve(equations, coefficients, len(poses))
        coefficients = coefficients + change
        poses = [_moved(*move) for move in zip(poses, turns, shifts, strict=True)]
        # Pictures alone cannot tell size from distance, so the distance between the eyes is held
        grown = eyes_m / _eyes_apart(start + deformations @ coefficients)
        start, coefficients = grown * start, grown * coefficients
        poses = [_moved(pose, np.zeros(3), (grown - 1) * pose[:3, 3]) for pose in poses]
    return _standing_as_template(start + deformations @ coefficients, poses)


def posed(views: Sequence[HeadView], poses: Sequence[Array]) -> list[HeadView]:
    """The views with the cameras that see the head at these poses (4, 4)."""
    return [
        replace(view, camera=replace(view.camera, world_to_camera=torch.from_numpy(pose)))
        for view, pose in zip(views, poses, strict=True)
    ]


def _moved(pose: Array, turn: Array, shift: Array) -> Array:
    """A pose (4, 4) rotated about the head's origin by a rotation vector (3,), then shifted (3,)."""
    # R ← exp([turn]×)·R keeps the head's origin in place, so t changes by the shift alone
    moved = pose.copy()
    moved[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ pose[:3, :3]
    moved[:3, 3] += shift
    return moved


def _eyes_apart(vertices: Array) -> float:
    """Distance between the outer corners of the eyes, metres."""
    return float(np.linalg.norm(vertices[_EYE_CORNERS[0]] - vertices[_EYE_CORNERS[1]]))


def _standing_as_template(vertices: Array, poses: Sequence[Array]) -> tuple[Array, list[Array]]:
    """The head and the poses in the frame that aligns its face with the template's; the size stays."""
    to_template = head_pose(load_template().vertices[:LANDMARKS], vertices[:LANDMARKS])
    # With T to the template's frame, pose·x = (pose·T⁻¹)·(T·x)
    rotation, shift = to_template[:3, :3], to_template[:3, 3]
    return vertices @ rotation.T + shift, [pose @ np.linalg.inv(to_template) for pose in poses]


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
