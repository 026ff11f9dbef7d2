"""One head and the poses of several photos, fitted to one another: bundle adjustment with a prior on heads.

landmarks of every photo ─┐
                          ├─▶ Gauss–Newton on the head's coefficients and a pose a photo ─▶ head, poses
matches between photos ───┘                        └── matches anew ◀──┘
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from fastavatar.geometry.arrays import Array
from fastavatar.models.facemesh.deformation import smooth_deformations
from fastavatar.models.facemesh.matches import Search, match_views
from fastavatar.models.facemesh.normal_equations import solve
from fastavatar.models.facemesh.observation import Observation
from fastavatar.models.facemesh.pose import head_pose
from fastavatar.models.facemesh.shared_landmarks import landmark_equations, mean_landmarks
from fastavatar.models.facemesh.template import LANDMARKS, load_template
from fastavatar.models.facemesh.view import View
from fastavatar.models.facemesh.warp import warp_to_landmarks

_ROUNDS = (None,) * 3 + (Search(0.002, 6, 8),) * 3 + (Search(0.001, 8, 8),) * 3
_EYE_CORNERS = (33, 263)


def fit_together(seen: Sequence[Observation], views: Sequence[View]) -> tuple[Array, list[Array]]:
    """Vertices (V, 3) of the head that all photos show, head frame, and its pose (4, 4) before each camera.

    `views` are the photos' pictures, as `seen` from their cameras. The head stands as its template does.
    """
    deformations = smooth_deformations()
    start = warp_to_landmarks(load_template(), mean_landmarks(seen))
    eyes_m = _eyes_apart(start)
    coefficients = np.zeros((deformations.shape[1], 3))
    poses = [one.camera.world_to_camera.numpy() for one in seen]
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
        # pictures alone cannot tell size from distance: the eyes stay as far apart as they were taken to be
        grown = eyes_m / _eyes_apart(start + deformations @ coefficients)
        start, coefficients = grown * start, grown * coefficients
        poses = [_moved(pose, np.zeros(3), (grown - 1) * pose[:3, 3]) for pose in poses]
    return _standing_as_template(start + deformations @ coefficients, poses)


def posed(views: Sequence[View], poses: Sequence[Array]) -> list[View]:
    """The views with their cameras where the head has these poses (4, 4)."""
    return [
        replace(view, camera=replace(view.camera, world_to_camera=torch.from_numpy(pose)))
        for view, pose in zip(views, poses, strict=True)
    ]


def _moved(pose: Array, turn: Array, shift: Array) -> Array:
    """A pose (4, 4) turned about the head's origin by a rotation vector (3,), and shifted (3,)."""
    moved = pose.copy()
    moved[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ pose[:3, :3]
    moved[:3, 3] += shift
    return moved


def _eyes_apart(vertices: Array) -> float:
    """Distance between the outer corners of the eyes, metres."""
    return float(np.linalg.norm(vertices[_EYE_CORNERS[0]] - vertices[_EYE_CORNERS[1]]))


def _standing_as_template(vertices: Array, poses: Sequence[Array]) -> tuple[Array, list[Array]]:
    """The same head and poses in the frame in which its face lies on the template's, its size kept."""
    to_template = head_pose(load_template().vertices[:LANDMARKS], vertices[:LANDMARKS])
    rotation, shift = to_template[:3, :3], to_template[:3, 3]
    return vertices @ rotation.T + shift, [pose @ np.linalg.inv(to_template) for pose in poses]
