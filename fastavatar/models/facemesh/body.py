"""The neck as a joint: the torso takes the orientation of the body in the photo, not that of the head."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fastavatar.core import Camera
from fastavatar.faces import Body, find_body
from fastavatar.geometry import Array
from fastavatar.head import load_head

EARS_BEFORE_SHOULDERS = 0.14
"""Distance of the ears in front of the shoulders in an upright person, per metre of height between them."""
_MOST_BENT_DEG = 60.0  # a larger angle between head and torso is an error of the network
_FACING = np.diag([1.0, -1.0, -1.0])  # head and camera face each other
_NOSE_TIP = 1  # among Face Mesh's landmarks
_NEAR_NOSE_M = 0.08


def body_in(rgb: NDArray[np.uint8], camera: Camera) -> Body | None:
    """The body of the head that a camera sees in a picture (H, W, 3).

    None where the network finds no body, or another person's.
    """
    body = find_body(rgb)
    head = load_head()
    nose = torch.from_numpy(head.places.at(head.mean)[[_NOSE_TIP]])
    pixels, depth = (values.numpy()[0] for values in camera.project(nose))
    near_px = _NEAR_NOSE_M * float(camera.K[0, 0]) / depth
    return body if body is not None and np.linalg.norm(body.nose_px - pixels) < near_px else None


def torso_turn(body: Body | None, head: Array) -> Array:
    """Rotation (3, 3) in the head frame from a torso aligned with the head to the torso as it stands.

    `head` (3, 3) rotates the head frame into camera axes. Pitch and roll are the body's. The network
    underestimates yaw by about half, so half of the head's yaw is added: exact where both turn alike. Without
    a body the torso follows the head.
    """
    if body is None:
        return np.eye(3)
    left = body.shoulders[0] - body.shoulders[1]
    up = body.ears.mean(0) - body.shoulders.mean(0)
    torso_yaw, pitch, roll = _angles(_axes(left, up))
    stands = _from_angles(torso_yaw + _angles(head)[0] / 2, pitch + EARS_BEFORE_SHOULDERS, roll)
    turn = Rotation.from_matrix(head.T @ stands).as_rotvec()
    angle = np.linalg.norm(turn)
    most = min(1.0, np.radians(_MOST_BENT_DEG) / max(angle, 1e-9))
    return np.asarray(Rotation.from_rotvec(most * turn).as_matrix())


def mean_rotation(rotations: Sequence[Array]) -> Array:
    """(3, 3) the chordal mean of `rotations` (3, 3)."""
    return np.asarray(Rotation.from_matrix(np.stack(rotations)).mean().as_matrix())


def _axes(left: Array, up: Array) -> Array:
    """Rotation (3, 3) whose columns are near `left` (3,) and `up` (3,), and their cross product."""
    left = left / np.linalg.norm(left)
    up = up - (up @ left) * left
    up /= np.linalg.norm(up)
    return np.stack([left, up, np.cross(left, up)], 1)


def _angles(rotation: Array) -> Array:
    """Yaw, pitch and roll (3,) of a rotation (3, 3) from head frame to camera axes, radians."""
    yaw, pitch, roll = Rotation.from_matrix(_FACING @ rotation).as_euler("YXZ")
    return np.array([yaw, -pitch, -roll])


def _from_angles(yaw: float, pitch: float, roll: float) -> Array:
    return np.asarray(_FACING @ Rotation.from_euler("YXZ", [yaw, -pitch, -roll]).as_matrix())
