"""Colours of points that views see: from in front, not from behind, and none for what is hidden."""

import numpy as np
import pytest
import torch

from fastavatar.core import Mesh
from fastavatar.geometry import Array
from fastavatar.meshing import DepthViews, colored, seen_colors, views_of
from fastavatar.rendering import facing_camera
from tests.meshing.scenes import ball
from tests.rendering.shapes import ball as ball_mesh

RADIUS_M = 0.102  # of the surface that the discs of a ball of 10 cm show


@pytest.fixture(scope="module")
def views() -> DepthViews:
    """One camera, in front of the ball."""
    return views_of(ball(), [facing_camera(torch.zeros(3), 0.11, 200)])


def on_ball(*directions: tuple[float, float, float]) -> Array:
    units = np.array(directions, np.float64)
    return np.asarray(units / np.linalg.norm(units, axis=1, keepdims=True))


def test_points_in_front_have_the_colours_of_the_picture(views: DepthViews) -> None:
    directions = on_ball((0, 0, 1), (0.4, 0, 1), (0, 0.5, 1), (-0.5, -0.3, 1))
    sums, total = seen_colors(RADIUS_M * directions, directions, views)
    assert (total > 0.2).all()
    np.testing.assert_allclose(sums / total[:, None], 0.5 + 0.4 * directions, atol=0.04)


def test_hidden_and_averted_and_grazing_points_have_none(views: DepthViews) -> None:
    toward = on_ball((0, 0, 1))
    for point, normal in (
        (-RADIUS_M * toward, toward),  # hidden behind the ball, though its normal faces the camera
        (1.5 * RADIUS_M * toward, toward),  # before what the camera sees
        (RADIUS_M * toward, -toward),
        (RADIUS_M * toward, on_ball((1, 0, 0.05))),
    ):
        assert seen_colors(point, normal, views)[1] == 0


def test_what_no_view_sees_continues_what_is_around_it(views: DepthViews) -> None:
    vertices, faces = ball_mesh(RADIUS_M, 400)
    mesh = colored(Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces)), views)
    assert mesh.colors is not None
    back = mesh.colors[mesh.vertices[:, 2] < -0.03]
    assert back.min() > 0.1 and back.max() < 0.95, "no black, and no colour of a background"
    # Red grows along x on the ball's front, and so it does behind
    left, right = (back[mesh.vertices[mesh.vertices[:, 2] < -0.03, 0] * side > 0.05] for side in (-1, 1))
    assert right[:, 0].mean() > left[:, 0].mean() + 0.1
