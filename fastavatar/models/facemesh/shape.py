"""The template in a person's shape: its vertices follow the parametric head, then the photo's landmarks.

`python -m scripts.template_binding` makes the file that binds the one to the other.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from threadpoolctl import threadpool_limits

from fastavatar.geometry import Array, Ints, spread_offsets
from fastavatar.head import load_head
from fastavatar.models.facemesh import EYE_RINGS, LANDMARKS

EYE_BULGE_M = 0.004
"""Distance of the middle of an open eye in front of the plane of its rim."""
_REACH_M, _NOISE = 0.035, 0.3
"""Radius in which skin follows a landmark, and the ridge that smooths noisy ones."""
_FACE_LANDMARKS = 468  # without the irises


@dataclass(frozen=True)
class TemplateBinding:
    """Where each vertex of the template lies on the average parametric head."""

    corners: Ints
    """(V, 3) vertices of the parametric head's triangle."""
    weights: Array
    """(V, 3) barycentric weights in it."""
    offsets: Array
    """(V, 3) from there to the vertex, metres: the template keeps its own skull and torso."""

    def at(self, vertices: Array) -> Array:
        """The template's vertices (V, 3) on a parametric head (W, 3)."""
        return np.asarray(np.einsum("vk,vkc->vc", self.weights, vertices[self.corners]) + self.offsets)


@cache
def load_binding() -> TemplateBinding:
    """The binding shipped with the package."""
    with files(__package__).joinpath("template_binding.npz").open("rb") as file:
        data = np.load(file)
        return TemplateBinding(
            data["corners"].astype(np.int64),
            data["weights"].astype(np.float64),
            data["offsets"].astype(np.float64),
        )


def shaped_template(identity: Array, expression: Array) -> Array:
    """The template's vertices (V, 3), head frame, of a person with coefficients (K,) and weights (52,)."""
    with threadpool_limits(1, "blas"):  # the same bits for any number of threads
        return load_binding().at(load_head().vertices(identity, expression))


def pulled_to_landmarks(shape: Array, landmarks: Array) -> Array:
    """The template in a shape (V, 3) with its landmarks moved to `landmarks` (478, 3); head frame, metres.

    The skin around follows smoothly. The middle of an eye lies in front of its rim.
    """
    face = landmarks.copy()
    for center, ring in EYE_RINGS.items():
        face[center] = face[list(ring)].mean(0) + [0, 0, EYE_BULGE_M]
    # A radial basis function carries the landmarks' offsets to the skin between them
    anchors = shape[:_FACE_LANDMARKS]
    offsets = face[:_FACE_LANDMARKS] - anchors
    with threadpool_limits(1, "blas"):
        vertices = shape + spread_offsets(shape, anchors, offsets, _REACH_M, _NOISE)
    vertices[:LANDMARKS] = face
    return np.asarray(vertices)
