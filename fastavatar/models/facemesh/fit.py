"""From the head that landmarks give to the person that views show: torso, outline, what is beyond, cut."""

from collections.abc import Sequence
from typing import NamedTuple

from fastavatar.geometry import Array
from fastavatar.models.facemesh import (
    TORSO,
    Cut,
    HeadView,
    Volume,
    body_in,
    cut_seen_best,
    fit_outline,
    load_template,
    torso_turn,
    turn_torso,
    volume_beyond,
)


class Fitted(NamedTuple):
    """A person's surface, head frame, metres."""

    vertices: Array
    """(V, 3) of the template."""
    volume: Volume
    """What is beyond them."""
    cut: Cut | None
    """Where the torso ends, if a view shows that."""


def turn_in(view: HeadView) -> Array:
    """The torso's rotation (3, 3) in the head frame, as one view shows it; see `torso_turn`."""
    return torso_turn(body_in(view), view.camera.world_to_camera[:3, :3].numpy())


def fit_to_views(shape: Array, turn: Array, views: Sequence[HeadView]) -> Fitted:
    """The template in a shape (V, 3), head frame, its torso turned by `turn` (3, 3), fitted to the views."""
    template = load_template()
    vertices = fit_outline(template, turn_torso(template, shape, turn), views, turn)
    volume = volume_beyond(template, vertices, views, turn)
    return Fitted(vertices, volume, cut_seen_best(vertices[template.region == TORSO], turn, views))
