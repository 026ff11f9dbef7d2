from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fastavatar.core import Avatar, Photo
from fastavatar.errors import NoFaceError
from fastavatar.faces import FaceMeshFinder
from fastavatar.faces.frames import choose_frames, head_angles
from fastavatar.rendering.rasterise import render
from tests.clips import Rgb, write_clip
from tests.models.facemesh.several import camera_at
from tests.portraits import on_wall, photo_of, picture, portrait

TURNS_DEG = (-30, -26, -20, -14, -8, 0, 8, 14, 20, 26, 30)
BLURRED = (1, 4, 5, 9)
"""Frames that are out of focus, the most frontal one among them."""


def blurred(rgb: Rgb, radius: float = 2.0) -> Rgb:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))


@pytest.fixture(scope="module")
def turning(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera goes around a head from one side to the other, ten frames a second."""
    frames = []
    for index, azimuth_deg in enumerate(TURNS_DEG):
        drawn = render(avatar.gaussians, camera_at(azimuth_deg), background=(0.6, 0.6, 0.6)).image.numpy()
        rgb = (np.clip(drawn, 0, 1) * 255).round().astype(np.uint8)
        frames.append(blurred(rgb) if index in BLURRED else rgb)
    return write_clip(tmp_path_factory.mktemp("clips") / "turning.mp4", frames)


def angles(photo: Photo) -> np.ndarray:
    (face,) = FaceMeshFinder().find(photo.rgb)
    return head_angles(face.landmarks)


def test_sharp_frames_from_different_sides_are_chosen(turning: Path) -> None:
    photos = choose_frames(turning)
    places = [round(10 * (photo.at_seconds or 0)) for photo in photos]
    assert not set(places) & set(BLURRED)
    assert 3 <= len(photos) <= 5
    assert abs(TURNS_DEG[places[0]]) <= 14  # the most frontal sharp one goes first
    assert {0, 10} <= set(places)  # both ends
    seen = np.stack([angles(photo) for photo in photos])
    apart = np.linalg.norm(seen[:, None] - seen, axis=2)[~np.eye(len(photos), dtype=bool)]
    assert apart.min() > 3
    assert photos[0].name == f"{turning} at {photos[0].at_seconds:.2f} s"


def test_one_frame_is_the_most_frontal_sharp_one(turning: Path) -> None:
    (photo,) = choose_frames(turning, count=1)
    place = round(10 * (photo.at_seconds or 0))
    assert place not in BLURRED and abs(TURNS_DEG[place]) <= 14


def test_of_frames_that_show_the_same_the_sharpest_is_chosen(tmp_path: Path) -> None:
    """A picture that only moves and turns in its plane shows one side of the head."""
    frames = [np.asarray(picture().rotate(3 * index, translate=(4 * index, 0))) for index in range(6)]
    frames = [rgb if index == 3 else blurred(rgb, 1.0) for index, rgb in enumerate(frames)]
    (photo,) = choose_frames(write_clip(tmp_path / "a.mp4", frames))
    assert photo.at_seconds == pytest.approx(0.3)


def test_frames_with_a_second_face_are_left_out_where_others_are(tmp_path: Path) -> None:
    alone, two = on_wall((800, 400), (400, (0, 0))), on_wall((800, 400), (400, (0, 0)), (400, (400, 0)))
    photos = choose_frames(write_clip(tmp_path / "a.mp4", [two, two, blurred(alone, 0.4), two]))
    assert [photo.at_seconds for photo in photos] == [pytest.approx(0.2)]


def test_a_video_without_a_face_says_so(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 3)
    with pytest.raises(NoFaceError) as caught:
        choose_frames(path)
    assert str(caught.value) == (
        f"no face found in 3 frames of {path}: give a video in which one person faces the camera, well lit, "
        "the face at least 64 px across"
    )


def test_angles_follow_the_head_and_not_the_picture() -> None:
    straight = angles(portrait())
    rolled = angles(photo_of(np.asarray(picture().rotate(20))))
    mirrored = angles(photo_of(np.asarray(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT))))
    np.testing.assert_allclose(rolled, straight, atol=4)
    np.testing.assert_allclose(mirrored, straight * [-1, 1], atol=4)


@pytest.mark.parametrize("place", [0, 10])
def test_yaw_has_the_sign_and_size_of_the_turn(place: int, turning: Path) -> None:
    photos = {round(10 * (photo.at_seconds or 0)): photo for photo in choose_frames(turning)}
    yaw_deg = angles(photos[place])[0]
    # a camera that goes to the person's left sees the head turned to the person's right
    assert yaw_deg == pytest.approx(-TURNS_DEG[place], abs=10)
