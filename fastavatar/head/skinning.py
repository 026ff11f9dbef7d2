"""Linear blend skinning: vertices follow the joints that they hang on."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array, Similarity

PARENTS = (-1, 0, 1, 1, 1)
"""The joint that neck, head, jaw, left and right eye each hang on; −1 is the torso, which stays."""


def skinned(vertices: Array, joints: Array, weights: Array, turns: Array) -> Array:
    """Vertices (V, 3) with every joint turned.

    `joints` (J, 3) are the joints' places, `weights` (V, J) how much each vertex follows each, the rest of 1
    staying with the torso, and `turns` (J, 3) rotation vectors in radians about the axes of the head frame;
    a joint carries those that hang on it.
    """
    moved = vertices.copy()
    for joint, (rotation, shift) in enumerate(_chained(joints, turns)):
        # x' = x + Σ_j w_j (R_j x + t_j − x)
        moved += weights[:, joint, None] * (vertices @ rotation.T + shift - vertices)
    return moved


def motion_of(joint: int, joints: Array, turns: Array) -> Similarity:
    """How what hangs on a joint alone moves when all joints are turned; arguments as for `skinned`."""
    rotation, shift = _chained(joints, turns)[joint]
    return Similarity(1.0, rotation, shift)


def _chained(joints: Array, turns: Array) -> Sequence[tuple[Array, Array]]:
    """Rotation (3, 3) and shift (3,) of each joint, those of the joints it hangs on included."""
    placed: list[tuple[Array, Array]] = []
    for place, turn, parent in zip(joints, turns, PARENTS, strict=True):
        rotation = Rotation.from_rotvec(turn).as_matrix()
        shift = place - rotation @ place
        if parent >= 0:
            above, above_shift = placed[parent]
            rotation, shift = above @ rotation, above @ shift + above_shift
        placed.append((rotation, np.asarray(shift)))
    return placed


def torso_turned(vertices: Array, joints: Array, weights: Array, turn: Array) -> Array:
    """Vertices (V, 3) with the torso turned under the head, which stays.

    `turn` (3,) is a rotation vector in radians about the axes of the head frame, zero where the torso is
    aligned with the head; the neck takes half of it. `joints` (J, 3) and `weights` (V, J) are those of
    `skinned`.
    """
    neck, head = joints[0], joints[1]
    half = Rotation.from_rotvec(np.asarray(turn) / 2).as_matrix()
    bent = (vertices - head) @ half.T + head
    # The torso turns about its end of the neck, and then with the neck about the head's
    below = (vertices - neck) @ half.T + neck
    carried = (below - head) @ half.T + head
    torso = 1 - weights.sum(1)
    return np.asarray(vertices + weights[:, :1] * (bent - vertices) + torso[:, None] * (carried - vertices))
