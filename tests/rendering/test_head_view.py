from dataclasses import replace

import pytest
import torch

from fastavatar.core import concatenate, frontal_camera
from fastavatar.errors import InputError
from fastavatar.rendering.head_view import facing_camera, frame_sphere, head_sphere
from tests.results.avatars import RADIUS_M, make_avatar


def test_the_sphere_holds_the_head_and_not_the_shoulders() -> None:
    ball = make_avatar().gaussians
    shoulders = replace(ball, means=ball.means + torch.tensor([0.0, -0.4, 0.0]))
    faint = replace(ball, means=ball.means * 2, opacity_logits=ball.opacity_logits - 9)
    center, radius_m = head_sphere(concatenate([ball, shoulders, faint]))
    torch.testing.assert_close(center, torch.zeros(3), rtol=0, atol=0.01)
    assert RADIUS_M < radius_m < 1.2 * RADIUS_M


@pytest.mark.parametrize("scale", [0.01, 1.0, 5.0, 1000.0])
@pytest.mark.parametrize("moved_m", [0.0, -0.25, 2.0, 300.0])
@pytest.mark.parametrize("axis", range(3))
def test_a_head_moved_and_scaled_is_framed_where_it_is(scale: float, moved_m: float, axis: int) -> None:
    ball = make_avatar().gaussians
    shift = torch.zeros(3)
    shift[axis] = moved_m * max(scale, 1.0)
    center, radius_m = head_sphere(ball.transformed(scale, torch.eye(3), shift))
    assert float((center - shift).norm()) < 0.05 * RADIUS_M * scale + 1e-4
    assert RADIUS_M < radius_m / scale < 1.3 * RADIUS_M


@pytest.mark.parametrize("down_m", [0.2, 0.3])
def test_a_bust_moved_down_is_not_cut_at_the_chin(down_m: float) -> None:
    ball = make_avatar().gaussians
    body = replace(ball, means=ball.means * 1.5 + torch.tensor([0.0, -0.25, 0.0]))
    bust = concatenate([ball, body])
    center, radius_m = head_sphere(replace(bust, means=bust.means - torch.tensor([0.0, down_m, 0.0])))
    top, bottom = float(center[1]) + radius_m, float(center[1]) - radius_m
    assert top > 0.9 * RADIUS_M - down_m and bottom < -0.25 - 1.3 * RADIUS_M - down_m


def test_stray_gaussians_do_not_make_a_moved_head_small() -> None:
    ball = make_avatar().gaussians
    means = ball.means + torch.tensor([0.0, 0.0, 2.0])
    means[:30] = torch.linspace(-1e6, 1e6, 90).reshape(30, 3)
    center, radius_m = head_sphere(replace(ball, means=means))
    assert center.tolist() == pytest.approx([0, 0, 2.0], abs=0.02) and radius_m < 1.3 * RADIUS_M


def test_gaussians_in_one_place_are_framed_by_their_size() -> None:
    ball = make_avatar().gaussians
    one = ball.subset(torch.tensor([7]))
    together = replace(ball, means=torch.full_like(ball.means, 0.03))
    for g in (one, together):
        center, radius_m = head_sphere(g)
        assert torch.equal(center, g.means[0])
        assert 3 * float(g.scales.max()) <= radius_m < 4 * float(g.scales.max())
        assert torch.isfinite(facing_camera(center, radius_m, 64).K).all()
    faint = replace(ball, opacity_logits=ball.opacity_logits - 20)
    torch.testing.assert_close(head_sphere(faint)[0], head_sphere(ball)[0])


@pytest.mark.parametrize(("name", "value"), [("means", 1e30), ("log_scales", 80.0)])
def test_gaussians_that_no_camera_can_frame_are_refused(name: str, value: float) -> None:
    one = make_avatar().gaussians.subset(torch.tensor([7]))
    with pytest.raises(InputError, match="too large to be framed"):
        head_sphere(replace(one, **{name: torch.full_like(one.means, value)}))


@pytest.mark.parametrize("radius_m", [0.1, 0.2875, 5.0, 1e4])
def test_large_scenes_are_seen_from_outside(radius_m: float) -> None:
    camera = facing_camera(torch.zeros(3), radius_m, 64)
    distance_m = float(camera.center.norm())
    assert distance_m == pytest.approx(1.0 if radius_m < 0.3 else 3 * radius_m)


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


@pytest.mark.parametrize("behind", [0.5, 0.0])
def test_a_camera_that_looks_away_gives_way_to_one_before_the_face(behind: float) -> None:
    camera = frontal_camera(1.0, 500.0, 400, 400, torch.zeros(3))
    center = camera.center - behind * (torch.zeros(3) - camera.center)  # behind the camera, or in its place
    framed = frame_sphere(camera, center, 0.2, 128)
    pixel, depth = framed.project(center[None])
    assert float(depth[0]) > 0 and float(framed.K[0, 0]) > 0
    torch.testing.assert_close(pixel[0], torch.tensor([64.0, 64.0]), atol=0.01, rtol=0)


@pytest.mark.parametrize("axis", range(3))
def test_gaussians_where_float32_is_too_coarse_are_refused(axis: int) -> None:
    ball = make_avatar().gaussians
    shift = torch.zeros(3)
    shift[axis] = 1e8
    with pytest.raises(InputError, match=r"1e\+08 m from the origin.*move them"):
        head_sphere(replace(ball, means=ball.means + shift))
    center, radius_m = head_sphere(replace(ball, means=ball.means + shift / 1e3))
    assert torch.isfinite(facing_camera(center, radius_m, 64).K).all()
