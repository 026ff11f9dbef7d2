"""A made-up head with as many points as FLAME has triangles, whose parts are known."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from tests.synthetic_capture import fibonacci_directions

NOSE_M = (0.01, -0.02, 0.06)
"""The tip of the nose in the frame of the unposed head, metres."""
NECK_JOINT_M = np.array([0.0, -0.11, -0.03])
SKIN, EAR, NECK, SHOULDERS, NOSE = range(5)
COUNTS = {SKIN: 6243, EAR: 3000, NECK: 600, SHOULDERS: 300, NOSE: 1}
TIPS_Y = -0.15
"""Height of the shoulders' outermost points over the tip of the nose."""


def flame_head(
    rotation: tuple[float, float, float] = (0, 0, 0), neck_pose: tuple[float, float, float] = (0, 0, 0)
) -> tuple[Tensor, dict[str, Tensor], NDArray[np.int64]]:
    """Points (10144, 3), FLAME parameters, and what each point was made as (10144,), in a mixed order.

    The head turns about the neck's joint by `neck_pose`, all of it by `rotation`: axis and angle.
    """
    sphere = {kind: fibonacci_directions(count).double().numpy() for kind, count in COUNTS.items()}
    made = {
        SKIN: sphere[SKIN] * (0.075, 0.115, 0.09) + (0, 0.02, -0.095),
        EAR: sphere[EAR] * (0.012, 0.028, 0.018)
        + np.sign(sphere[EAR][:, :1]) * (0.085, 0, 0)
        + (0, 0.01, -0.135),
        NECK: _tube(COUNTS[NECK], 0.055, -0.075, -0.135),
        SHOULDERS: _tube(COUNTS[SHOULDERS], 0.095, TIPS_Y, TIPS_Y),
        NOSE: np.zeros((1, 3)),
    }
    points = np.concatenate(list(made.values())) + NOSE_M
    kinds = np.repeat(list(COUNTS), list(COUNTS.values()))
    on_head = np.isin(kinds, (SKIN, EAR, NOSE))
    turned = Rotation.from_rotvec(neck_pose).apply(points[on_head] - NECK_JOINT_M) + NECK_JOINT_M
    points[on_head] = turned
    points = Rotation.from_rotvec(rotation).apply(points)
    order = np.random.default_rng(0).permutation(len(points))
    flame = {"rotation": torch.tensor([rotation]), "neck_pose": torch.tensor([neck_pose])}
    return torch.from_numpy(points[order]).float(), flame, kinds[order]


def _tube(count: int, radius_m: float, top_y: float, bottom_y: float) -> NDArray[np.float64]:
    """Points (count, 3) on an upright tube below the head."""
    step = np.arange(count)
    around = step * np.pi * (3 - 5**0.5)
    return np.stack(
        [
            radius_m * np.sin(around),
            np.linspace(top_y, bottom_y, count),
            -0.12 + radius_m * np.cos(around),
        ],
        1,
    )
