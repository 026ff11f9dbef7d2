"""A head model of any source, in the form from which the packaged asset is made.

MakeHuman's targets (makehuman.py) ─┐
                                    ├─▶ RawHead ─▶ landmarks ─▶ asset
Google's GNM Head (gnm.py) ─────────┘
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import Array, Bools, Ints, Similarity, fit_similarity, inside_polygon

Floats = NDArray[np.float32]

JOINTS = ("neck", "head", "jaw", "left_eye", "right_eye")
PARTS = (
    "skin",
    "left_eye",
    "right_eye",
    "left_lashes",
    "right_lashes",
    "upper_teeth",
    "lower_teeth",
    "gums",
    "tongue",
)
REGIONS = (
    "face",
    "skull",
    "ear",
    "neck",
    "torso",
    "jaw",
    "lips",
    "eyelids",
    "mouth",
    "sockets",
    "eyes",
    "lashes",
    "teeth",
    "gums",
    "tongue",
)
OF_PARTS = {
    "left_eye": "eyes",
    "right_eye": "eyes",
    "left_lashes": "lashes",
    "right_lashes": "lashes",
    "upper_teeth": "teeth",
    "lower_teeth": "teeth",
    "gums": "gums",
    "tongue": "tongue",
}
"""Region of the vertices of each part but the skin."""
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The rim of Face Mesh's face, in order."""

HEAD_FRAME = {
    263: (0.0436, 0.0254, 0.0297),
    33: (-0.0436, 0.0254, 0.0297),
    362: (0.0164, 0.0231, 0.0341),
    133: (-0.0164, 0.0231, 0.0341),
    291: (0.0240, -0.0433, 0.0418),
    61: (-0.0240, -0.0433, 0.0418),
    454: (0.0703, 0.0071, -0.0248),
    234: (-0.0703, 0.0071, -0.0248),
    288: (0.0621, -0.0427, -0.0153),
    58: (-0.0621, -0.0427, -0.0153),
    300: (0.0554, 0.0424, 0.0217),
    70: (-0.0554, 0.0424, 0.0217),
    10: (0.0, 0.0776, 0.0403),
    152: (0.0, -0.0839, 0.0360),
    1: (0.0, -0.0142, 0.0651),
    6: (0.0, 0.0220, 0.0451),
}
"""Some of Face Mesh's landmarks in the head frame, metres: where a similarity fit to all landmarks of this
project's first head template (`head_template.npz`) puts MakeHuman's average face."""


@dataclass(frozen=True)
class RawHead:
    """A parametric head in metres, x to the person's left, y up, z out of the face."""

    mean: Array
    """(V, 3) the average person's vertices, symmetric where the source is."""
    modes: Floats
    """(K, V, 3) movement of each vertex per standard deviation of a mode, the widest mode first."""
    actions: Floats
    """(52, V, 3) movement of each vertex for a full ARKit action, in ARKit's order."""
    faces: Ints
    """(F, 3) triangles, counter-clockwise from outside."""
    parts: Ints
    """(F,) index into `PARTS`."""
    uv: Array
    """(U, 2) texture coordinates, v upward."""
    uv_faces: Ints
    """(F, 3) the texture coordinate of each corner."""
    mirror: Ints
    """(V,) the vertex at the same place on the other half."""
    weights: Array
    """(V, 5) how much each vertex follows each of `JOINTS`; what is missing to 1 stays with the torso."""
    joints: Array
    """(5, 3) the average person's joints."""
    joint_modes: Floats
    """(K, 5, 3) movement of the joints per standard deviation of a mode."""
    regions: Ints
    """(V,) index into `REGIONS`; sources leave the face as `skull` or `jaw` for `with_face` to find."""

    def moved(self, similarity: Similarity) -> "RawHead":
        """The head under a similarity: places are moved, movements only scaled and turned."""
        turn = similarity.scale * similarity.rotation.T
        return replace(
            self,
            mean=similarity.apply(self.mean),
            joints=similarity.apply(self.joints),
            modes=(self.modes @ turn).astype(np.float32),
            joint_modes=(self.joint_modes @ turn).astype(np.float32),
            actions=(self.actions @ turn).astype(np.float32),
        )

    def shifted(self, file: Path) -> "RawHead":
        """The head with its mean moved by the `offsets` (K, 3) in metres of the `vertices` (K,) in a file."""
        mean = self.mean.copy()
        with np.load(file) as data:
            mean[data["vertices"].astype(np.int64)] += data["offsets"].astype(np.float64)
        return replace(self, mean=mean)

    def with_face(self, landmarks: Array) -> "RawHead":
        """The head with the region `face`: the front inside the oval of `landmarks` (468, 3)."""
        rim = landmarks[list(FACE_OVAL)]
        names = [REGIONS.index(name) for name in ("skull", "jaw", "neck")]
        inside = inside_polygon(self.mean[:, :2], rim[:, :2]) & (self.mean[:, 2] > rim[:, 2].min())
        face: Bools = inside & np.isin(self.regions, names)
        return replace(self, regions=np.where(face, REGIONS.index("face"), self.regions))


def to_head_frame(landmarks: Array) -> Similarity:
    """The similarity that brings `landmarks` (478, 3) nearest to `HEAD_FRAME`."""
    here, there = landmarks[list(HEAD_FRAME)], np.array(list(HEAD_FRAME.values()))
    # With their mirror images the fit is symmetric, and so the midplane stays where it is
    both = (np.concatenate([points, points * [-1, 1, 1]]) for points in (here, there))
    return fit_similarity(*both)
