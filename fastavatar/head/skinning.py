"""Linear blend skinning: vertices follow the joints that they hang on."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array

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
