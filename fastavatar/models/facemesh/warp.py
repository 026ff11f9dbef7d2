"""Warps the template's head onto the landmarks of a face."""

import numpy as np

from fastavatar.geometry import Array, spread_offsets
from fastavatar.models.facemesh import LANDMARKS, HeadTemplate

# Face Mesh's indices, on the person's right and left
_TOP, _CHIN, _RIGHT, _LEFT = 10, 152, 234, 454
EYE_RINGS = {
    468: (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    473: (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
}
"""Landmark of each iris's centre → its eye's rim: from the outer corner along the lower lid, then the
upper."""
MOUTH_CORNERS = (78, 308)
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""The inner lips, from the person's right to the left, between the corners they meet in."""
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
EYE_BULGE_M = 0.004
"""Distance of the middle of an open eye in front of the plane of its rim."""
_REACH_M = 0.12  # radius in which the skull follows the face's rim; chosen by eye


def warp_to_landmarks(template: HeadTemplate, landmarks: Array) -> Array:
    """Vertices (V, 3) of the template warped to `landmarks` (478, 3), head frame, metres.

    The face takes the landmarks as they are. The rest is scaled by the face's width and height, and then
    follows the offsets of the face's rim, less and less with distance.
    """
    face = landmarks.copy()
    for center, ring in EYE_RINGS.items():
        face[center] = face[list(ring)].mean(0) + [0, 0, EYE_BULGE_M]
    rest = template.vertices
    scale = _proportions(landmarks) / _proportions(template.vertices[:LANDMARKS])
    middle = template.vertices[list(_OVAL)].mean(0)
    # No landmark gives the skull's depth: it takes the mean factor of width and height
    scaled = (rest - middle) * [scale[0], scale[1], scale.mean()] + face[list(_OVAL)].mean(0)
    rim = list(_OVAL)
    vertices = scaled + spread_offsets(scaled, scaled[rim], (face - scaled[:LANDMARKS])[rim], _REACH_M, 1e-6)
    vertices[:LANDMARKS] = face
    return np.asarray(vertices)


def _proportions(landmarks: Array) -> Array:
    """Width and height (2,) of a face with landmarks (478, 3), metres."""
    return np.array(
        [
            np.linalg.norm(landmarks[_LEFT] - landmarks[_RIGHT]),
            np.linalg.norm(landmarks[_TOP] - landmarks[_CHIN]),
        ]
    )
