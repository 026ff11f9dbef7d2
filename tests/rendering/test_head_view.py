from dataclasses import replace

import pytest
import torch

from fastavatar.core import concatenate
from fastavatar.rendering.head_view import facing_camera, frame_sphere, head_sphere
from tests.results.avatars import RADIUS_M, make_avatar


def test_the_sphere_holds_the_head_and_not_the_shoulders() -> None:
    ball = make_avatar().gaussians
    shoulders = replace(ball, means=ball.means + torch.tensor([0.0, -0.4, 0.0]))
    faint = replace(ball, means=ball.means * 2, opacity_logits=ball.opacity_logits - 9)
    center, radius_m = head_sphere(concatenate([ball, shoulders, faint]))
    torch.testing.assert_close(center, torch.zeros(3), rtol=0, atol=0.01)
    assert RADIUS_M < radius_m < 1.2 * RADIUS_M


def test_gaussians_far_away_are_framed_by_the_default() -> None:
    ball = make_avatar().gaussians
    center, radius_m = head_sphere(replace(ball, means=ball.means + 5))
    assert center.tolist() == [0, 0, 0] and radius_m == 0.25


def test_the_framed_camera_sees_the_sphere_fill_the_tile() -> None:
    camera = make_avatar().camera.orbited(20, 10)
    center = torch.tensor([0.02, -0.01, 0.03])
    framed = frame_sphere(camera, center, 0.1, 384)
    pixels, _ = framed.project(center[None])
    torch.testing.assert_close(pixels, torch.full((1, 2), 192.0), rtol=0, atol=0.01)
    across = camera.world_to_camera[0, :3] * 0.1
    pixels, _ = framed.project(torch.stack([center - across, center + across]))
    assert pixels[:, 0].tolist() == pytest.approx([0, 384], abs=0.1)
    assert torch.equal(framed.world_to_camera, camera.world_to_camera)


def test_the_facing_camera_looks_the_head_in_the_face() -> None:
    center = torch.tensor([0.02, 0.05, -0.03])
    camera = facing_camera(center, 0.1, 64)
    assert (camera.center - center).tolist() == pytest.approx([0, 0, 1.0], abs=1e-6)
    left_and_up = center + torch.tensor([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0]])
    pixels, _ = camera.project(left_and_up)
    torch.testing.assert_close(pixels, torch.tensor([[64.0, 32.0], [32.0, 0.0]]), rtol=0, atol=1e-3)
