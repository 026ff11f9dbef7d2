import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from fastavatar.core import frontal_camera
from fastavatar.faces.body import Body, find_body
from fastavatar.geometry import Array
from fastavatar.models.facemesh.body import body_in, mean_rotation, torso_turn
from tests.portraits import picture, portrait

FACING = np.diag([1.0, -1.0, -1.0])


def standing(camera_above_deg: float, azimuth_deg: float = 0.0) -> tuple[Body, Array]:
    """A body upright before a camera, and the rotation (3, 3) that turns its axes into the camera's."""
    to_camera = FACING @ Rotation.from_euler("YX", [-azimuth_deg, camera_above_deg], degrees=True).as_matrix()
    ears = np.array([[0.08, 0.0, 0.0], [-0.08, 0.0, 0.0]])
    shoulders = np.array([[0.17, -0.19, -0.027], [-0.17, -0.19, -0.027]])
    return Body(np.zeros(2), ears @ to_camera.T, shoulders @ to_camera.T), to_camera


def turned_deg(turn: Array) -> float:
    return float(np.degrees(Rotation.from_matrix(turn).magnitude()))


@pytest.mark.parametrize("above_deg", [-20, 0, 30])
def test_a_torso_under_a_head_held_straight_stays(above_deg: float) -> None:
    body, head = standing(above_deg)
    assert turned_deg(torso_turn(body, head)) < 1.5


@pytest.mark.parametrize("raised_deg", [-25, 20])
def test_a_raised_head_leaves_the_torso_upright(raised_deg: float) -> None:
    body, to_camera = standing(10)
    head = to_camera @ Rotation.from_euler("X", -raised_deg, degrees=True).as_matrix()
    turn = Rotation.from_matrix(torso_turn(body, head)).as_rotvec(degrees=True)
    np.testing.assert_allclose(turn, [raised_deg, 0, 0], atol=1.5)


def test_the_torso_follows_half_of_a_turn_of_the_head() -> None:
    body, to_camera = standing(0)
    head = to_camera @ Rotation.from_euler("Y", 40, degrees=True).as_matrix()
    turn = Rotation.from_matrix(torso_turn(body, head)).as_rotvec(degrees=True)
    np.testing.assert_allclose(turn, [0, -20, 0], atol=1.5)


def test_a_torso_half_of_whose_turn_is_found_goes_with_the_head() -> None:
    found, _ = standing(0, 20)
    _, head = standing(0, 40)
    assert turned_deg(torso_turn(found, head)) < 1.5


def test_of_several_turns_the_mean_is_taken() -> None:
    turns = [Rotation.from_euler("Y", angle, degrees=True).as_matrix() for angle in (-5, 10, 25)]
    np.testing.assert_allclose(mean_rotation(turns), turns[1], atol=1e-9)


def test_without_a_body_the_torso_goes_with_the_head() -> None:
    np.testing.assert_array_equal(torso_turn(None, FACING), np.eye(3))


def test_the_portraits_body_is_found() -> None:
    body = find_body(portrait().rgb)
    assert body is not None
    assert np.linalg.norm(body.nose_px - [226, 124]) < 25
    left, right = body.shoulders
    assert 0.25 < left[0] - right[0] < 0.45 and abs(left[1] - right[1]) < 0.06
    assert 0.1 < (body.shoulders - body.ears)[:, 1].mean() < 0.25


def test_a_mirrored_portrait_has_the_mirrored_body() -> None:
    mirrored = find_body(np.asarray(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    body = find_body(portrait().rgb)
    assert body is not None and mirrored is not None
    np.testing.assert_allclose(mirrored.shoulders[::-1] * [-1, 1, 1], body.shoulders, atol=0.06)


def test_an_empty_photo_and_another_person_give_no_body() -> None:
    assert find_body(np.full((200, 200, 3), 90, np.uint8)) is None
    camera = frontal_camera(1.0, 711, 512, 512, torch.tensor([0.3, 0.2, 0.0])).to("cpu", torch.float64)
    assert body_in(portrait().rgb, camera) is None
