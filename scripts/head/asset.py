"""Writes a head model in the layout that `fastavatar.head` reads: 8-bit movements, about 1.5 MB."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import Array
from fastavatar.head import HEAD_FORMAT
from scripts.head.landmarks import Landmarks
from scripts.head.raw import JOINTS, PARTS, REGIONS, Floats, RawHead

LEAST_REACH_M = 0.001
"""Vertices that move less than this are stored as if they moved so far: their rounding is small enough."""


def write_asset(head: RawHead, landmarks: Landmarks, target: Path) -> None:
    """Write the asset, all or nothing."""
    if max(len(head.mean), len(head.uv)) > np.iinfo(np.uint16).max:
        raise ValueError(f"{len(head.mean)} vertices do not fit into 16-bit indices")
    # One length a vertex, since a shoulder moves ten times as far as a nose, and one a mode
    reach = np.maximum(np.sqrt((head.modes.astype(np.float64) ** 2).sum((0, 2))), LEAST_REACH_M)
    modes, mode_scales = rounded(head.modes / reach[:, None])
    actions, action_scales = rounded(head.actions)
    partial = target.with_suffix(".partial.npz")
    np.savez_compressed(
        partial,
        format=np.array(HEAD_FORMAT),
        mean=head.mean.astype(np.float32),
        modes=modes,
        mode_scales=mode_scales,
        reach=reach.astype(np.float32),
        actions=actions,
        action_scales=action_scales,
        faces=head.faces.astype(np.uint16),
        parts=head.parts.astype(np.uint8),
        regions=head.regions.astype(np.uint8),
        mirror=head.mirror.astype(np.uint16),
        uv=np.round(head.uv * 65535).astype(np.uint16),
        uv_faces=head.uv_faces.astype(np.uint16),
        weights=np.round(head.weights * 255).astype(np.uint8),
        joints=head.joints.astype(np.float32),
        joint_modes=head.joint_modes.astype(np.float32),
        landmark_corners=landmarks.corners.astype(np.uint16),
        landmark_weights=landmarks.weights.astype(np.float32),
        landmark_mirror=landmarks.mirror.astype(np.uint16),
        landmark_yaws=landmarks.yaws_deg.astype(np.float32),
        landmark_bias=landmarks.bias.astype(np.float32),
        landmark_sigma=landmarks.sigma.astype(np.float32),
        part_names=np.array(PARTS),
        region_names=np.array(REGIONS),
        joint_names=np.array(JOINTS),
    )
    partial.replace(target)


def rounded(movements: Array | Floats) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Movements (N, V, 3) as 8-bit integers and the length (N,) that each one's steps have."""
    steps = np.maximum(np.abs(movements).max((1, 2)), 1e-12) / 127
    return np.round(movements / steps[:, None, None]).astype(np.int8), steps.astype(np.float32)
