"""From the head that landmarks give to the person that views show: torso, outline, what is beyond, cut."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fastavatar.core import Camera, HeadParameters
from fastavatar.geometry import Array
from fastavatar.head import load_head, torso_turned
from fastavatar.models.facemesh import (
    TORSO,
    Cut,
    HeadView,
    Volume,
    body_in,
    cut_seen_best,
    fit_outline,
    load_template,
    surface_points,
    torso_turn,
    volume_beyond,
)


class Fitted(NamedTuple):
    """A person's surface, head frame, metres."""

    vertices: Array
    """(V, 3) of the parametric head."""
    volume: Volume
    """What is beyond them."""
    cut: Cut | None
    """Where the torso ends, if a view shows that."""


def turn_in(rgb: NDArray[np.uint8], camera: Camera) -> Array:
    """The torso's rotation (3, 3) in the head frame, as a camera sees it in a picture (H, W, 3).

    See `torso_turn`.
    """
    return torso_turn(body_in(rgb, camera), camera.world_to_camera[:3, :3].numpy())


def fit_to_views(shape: Array, parameters: HeadParameters, turn: Array, views: Sequence[HeadView]) -> Fitted:
    """The head in a shape (V, 3), head frame, its torso turned by `turn` (3, 3), fitted to the views."""
    template, weights = load_template(), load_head().weights
    vector = Rotation.from_matrix(turn).as_rotvec()
    turned = torso_turned(shape, parameters.joints.double().numpy(), weights, vector)
    vertices = fit_outline(template, turned, views, turn)
    volume = volume_beyond(template, vertices, views, turn)
    points = surface_points()
    torso = points.at(vertices)[points.region == TORSO]
    return Fitted(vertices, volume, cut_seen_best(torso, turn, views))
