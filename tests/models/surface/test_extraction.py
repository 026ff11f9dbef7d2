"""Marching cubes on a field that is asked finely only about its surface."""

import pytest
import torch
from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.models.surface import mesh_of_field

CENTER, RADIUS_M = torch.tensor([0.02, -0.08, 0.0]), 0.11


class Ball:
    """The field of a ball whose colour is its place, and how often it was asked."""

    asked = 0

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        self.asked += len(points)
        return (points - CENTER).norm(dim=1) - RADIUS_M, (points - CENTER) / RADIUS_M / 2 + 0.5


def test_a_ball_comes_out_round_closed_and_wound_outward_in_its_colours() -> None:
    ball = Ball()
    mesh = mesh_of_field(ball, 128)
    outward = (mesh.vertices - CENTER) / RADIUS_M
    assert float((outward.norm(dim=1) - 1).abs().max()) < 1e-3
    assert mesh.boundary_loops() == []
    assert float((mesh.normals() * outward).sum(1).min()) > 0.99
    torch.testing.assert_close(mesh.colors, outward / 2 + 0.5)
    assert ball.asked < 128**3 / 10


def test_of_two_pieces_the_larger_stays() -> None:
    def two(points: Tensor) -> tuple[Tensor, Tensor]:
        small = (points - torch.tensor([0.22, -0.08, 0.0])).norm(dim=1) - 0.03
        return torch.minimum(Ball()(points)[0], small), points

    assert float(mesh_of_field(two, 64).vertices[:, 0].max()) < 0.14


def test_a_field_without_an_inside_is_refused() -> None:
    with pytest.raises(InputError, match="no surface"):
        mesh_of_field(lambda points: (torch.ones(len(points)), points), 32)
