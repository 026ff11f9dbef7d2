import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from fastavatar.core import Face
from fastavatar.errors import NoFaceError
from fastavatar.faces import SMALL_FACE_PX, FaceMeshFinder, choose_face, find_face
from tests.portraits import (
    WALL,
    Rgb,
    on_wall,
    picture,
    portrait,
    resized,
    small_left_large_right,
    without_face,
)

NOSE_TIP, RIGHT_EYE, LEFT_EYE, CHIN, FOREHEAD = 1, 468, 473, 152, 10


@pytest.fixture(scope="module")
def face() -> Face:
    (found,) = FaceMeshFinder().find(portrait().rgb)
    return found


def width_of(face: Face) -> float:
    return face.box[2] - face.box[0]


def test_the_portrait_shows_one_face(face: Face) -> None:
    assert (face.index, face.count) == (0, 1)
    assert face.landmarks.shape == (478, 3) and np.isfinite(face.landmarks).all()
    left, top, right, bottom = face.box
    assert left == face.landmarks[:, 0].min() and bottom == face.landmarks[:, 1].max()
    assert 150 < left < 200 and 250 < right < 300 and 50 < top < 100 and 150 < bottom < 200
    x, y, z = face.landmarks.T
    assert x[RIGHT_EYE] < x[NOSE_TIP] < x[LEFT_EYE]  # the person's right is at the picture's left
    assert y[FOREHEAD] < y[LEFT_EYE] < y[NOSE_TIP] < y[CHIN]
    assert 0.1 < (z[LEFT_EYE] - z[NOSE_TIP]) / (right - left) < 0.6  # nearer, in the unit of x and y


def test_an_iris_lies_as_deep_as_its_lids(face: Face) -> None:
    for iris, lids in ((RIGHT_EYE, (33, 133, 159, 145)), (LEFT_EYE, (263, 362, 386, 374))):
        depth = face.landmarks[iris : iris + 5, 2]
        assert np.ptp(depth) < 1e-3
        assert abs(depth[0] - face.landmarks[lids, 2].mean()) < 0.02 * width_of(face)


def test_the_portraits_expression_is_a_smile(face: Face) -> None:
    assert len(face.expression) == 51 and all(0 <= weight <= 1 for weight in face.expression.values())
    assert min(face.expression["mouthSmileLeft"], face.expression["mouthSmileRight"]) > 0.7
    assert max(face.expression["jawOpen"], face.expression["eyeBlinkLeft"]) < 0.2


@pytest.mark.parametrize(
    ("shut", "open_", "eye"),
    [
        ("eyeBlinkRight", "eyeBlinkLeft", (33, 133, 159, 145)),
        ("eyeBlinkLeft", "eyeBlinkRight", (263, 362, 386, 374)),
    ],
)
def test_left_and_right_are_the_persons_own(shut: str, open_: str, eye: tuple[int, ...], face: Face) -> None:
    """The skin above an eye, stretched over it, shuts it."""
    rgb, points = portrait().rgb.copy(), face.landmarks[eye, :2]
    (left, top), (right, bottom) = points.min(0).astype(int) - 2, points.max(0).astype(int) + 2
    lid = Image.fromarray(rgb[top - 3 : top + 1, left:right]).resize((right - left, bottom - top))
    rgb[top:bottom, left:right] = np.asarray(lid)
    rgb[bottom - 1 : bottom + 1, left:right] //= 2  # lashes
    (found,) = FaceMeshFinder().find(rgb)
    assert found.expression[shut] > face.expression[shut] + 0.3
    assert found.expression[open_] < face.expression[open_] + 0.1


def as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file)


STILL_THERE: dict[str, Callable[[Image.Image], Image.Image]] = {
    # all of these leave the face where it is
    "jpeg": as_jpeg,
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "pale": lambda image: ImageEnhance.Contrast(image).enhance(0.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("change", STILL_THERE)
def test_a_worse_photo_shows_the_same_face(change: str, face: Face) -> None:
    (found,) = FaceMeshFinder().find(np.asarray(STILL_THERE[change](picture())))
    away = np.linalg.norm(found.landmarks[:468, :2] - face.landmarks[:468, :2], axis=1)
    assert away.mean() < 0.03 * width_of(face)


@pytest.mark.parametrize("angle_deg", [-20, 20])
def test_a_tilted_photo_tilts_the_landmarks(angle_deg: int, face: Face) -> None:
    turned = picture().rotate(angle_deg, Image.Resampling.BICUBIC, fillcolor=WALL)
    (found,) = FaceMeshFinder().find(np.asarray(turned))
    angle = np.radians(angle_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # y is down
    expected = (face.landmarks[:, :2] - 256) @ turn.T + 256
    assert np.linalg.norm(found.landmarks[:468, :2] - expected[:468], axis=1).mean() < 0.03 * width_of(face)


def test_the_mirrored_photo_mirrors_the_landmarks(face: Face) -> None:
    (found,) = FaceMeshFinder().find(np.asarray(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    for one, other in ((RIGHT_EYE, LEFT_EYE), (NOSE_TIP, NOSE_TIP), (CHIN, CHIN)):
        expected = face.landmarks[other, :2] * [-1, 1] + [512, 0]
        assert np.linalg.norm(found.landmarks[one, :2] - expected) < 0.03 * width_of(face)


@pytest.mark.parametrize("crop", [(150, 50, 310, 250), (100, 0, 400, 300), (180, 66, 272, 186)])
def test_a_crop_moves_the_landmarks(crop: tuple[int, int, int, int], face: Face) -> None:
    (found,) = FaceMeshFinder().find(np.asarray(picture().crop(crop)))
    away = found.landmarks[:468, :2] + crop[:2] - face.landmarks[:468, :2]
    assert np.linalg.norm(away, axis=1).mean() < 0.06 * width_of(face)


@pytest.mark.parametrize("width_px", [160, 1600])
def test_landmarks_scale_with_the_photo(width_px: int, face: Face) -> None:
    (found,) = FaceMeshFinder().find(resized(width_px))
    scale = width_px / 512
    away = np.abs(found.landmarks[:468] - scale * face.landmarks[:468]).mean(0)
    assert (away < scale * 0.04 * width_of(face)).all()  # depth as well


def test_faces_are_numbered_from_the_left_and_the_largest_is_taken() -> None:
    rgb = small_left_large_right()
    faces = FaceMeshFinder().find(rgb)
    assert [(face.index, face.count) for face in faces] == [(0, 2), (1, 2)]
    assert faces[0].box[2] < faces[1].box[0] and width_of(faces[0]) < width_of(faces[1])
    assert choose_face(faces) is faces[1]
    assert choose_face(faces, 0) is faces[0]
    mirrored = FaceMeshFinder().find(np.ascontiguousarray(rgb[:, ::-1]))
    assert choose_face(mirrored) is mirrored[0]


def test_a_small_face_in_a_large_photo_is_found() -> None:
    (found,) = FaceMeshFinder().find(on_wall((600, 600), (200, (300, 300))))
    assert width_of(found) < SMALL_FACE_PX and found.box[0] > 300 and found.box[1] > 300


@pytest.mark.parametrize(
    "rgb", [without_face(), np.full((300, 200, 3), 128, np.uint8), np.zeros((32, 900, 3), np.uint8)]
)
def test_where_nobody_is_nobody_is_found(rgb: Rgb) -> None:
    assert FaceMeshFinder().find(rgb) == []


def test_no_face_is_reported_with_the_photos_size_and_what_helps() -> None:
    with pytest.raises(NoFaceError) as caught:
        find_face(FaceMeshFinder(), without_face())
    assert str(caught.value) == (
        "no face found in the photo (80×60 px): use an upright photo in which the face is seen "
        "from the front to about 45° aside, well lit and at least 64 px across"
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("index", [-1, 1, 7])
def test_a_face_that_is_not_there_is_reported(index: int, face: Face) -> None:
    with pytest.raises(NoFaceError, match=f"there is no face {index}: the photo shows 1, numbered from 0"):
        choose_face([face], index)
