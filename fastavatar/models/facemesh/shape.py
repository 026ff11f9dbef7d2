"""The parametric head in a photo: its vertices move to where the photo shows its landmarks."""

import numpy as np
from threadpoolctl import threadpool_limits

from fastavatar.geometry import Array, spread_offsets, unit_vectors
from fastavatar.head import load_head
from fastavatar.models.facemesh import FACE, load_template

_REACH_M, _NOISE = 0.035, 0.3
"""Radius in which skin follows a landmark, and the ridge that smooths noisy ones."""
_LID_M = 0.0006
"""Least distance of skin from an eyeball's surface: the thickness of the Gaussians between."""
_RIGID_PARTS = (("left_eye",), ("right_eye",), ("upper_teeth", "lower_teeth", "gums", "tongue"))
"""Parts that keep their shape."""
_FACE_LANDMARKS = 468  # without the irises


def person_of(identity: Array, expression: Array) -> Array:
    """The vertices (V, 3), head frame, of a person with coefficients (K,) and weights (52,)."""
    with threadpool_limits(1, "blas"):  # the same bits for any number of threads
        return load_head().vertices(identity, expression)


def pulled_to_landmarks(shape: Array, offsets: Array) -> Array:
    """The head in a shape (V, 3) with its landmarks moved by `offsets` (468, 3); head frame, metres.

    The skin around follows smoothly; eyes and teeth move as a whole, and lids rest on the eyes.
    """
    head = load_head()
    anchors = head.places.at(shape)[:_FACE_LANDMARKS]
    # A radial basis function carries the landmarks' offsets to the skin between them
    with threadpool_limits(1, "blas"):
        moves = spread_offsets(shape, anchors, offsets, _REACH_M, _NOISE)
    # Eyes and teeth are hard: the mean of the smooth field moves them
    for names in _RIGID_PARTS:
        part = np.unique(head.faces[head.part(*names)])
        moves[part] = moves[part].mean(0)
    return _lids_on_eyes(shape + moves)


def _lids_on_eyes(vertices: Array) -> Array:
    """The head (V, 3) with the skin before an eyeball pushed out of it."""
    head, template = load_head(), load_template()
    moved = vertices.copy()
    skin = np.flatnonzero(template.region == FACE)
    for name in ("left_eye", "right_eye"):
        ball = vertices[np.unique(head.faces[head.part(name)])]
        center = (ball.min(0) + ball.max(0)) / 2
        # The cornea bulges: the radius to either side is the ball's own
        radius = (ball.max(0) - ball.min(0))[:2].mean() / 2 + _LID_M
        out = moved[skin] - center
        inside = np.linalg.norm(out, axis=1) < radius
        moved[skin[inside]] = center + radius * unit_vectors(out[inside])
    return moved
