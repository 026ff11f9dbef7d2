"""The pose of a head from landmarks in metres."""

import numpy as np

from fastavatar.geometry import Array, fit_similarity


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
