import numpy as np
import pytest

from fastavatar.core import Face
from fastavatar.faces import FaceMeshFinder, face_concerns
from tests.faults import BLURRED, COVERED, HARMLESS, HIDDEN, SHUT, Fault
from tests.portraits import Rgb, portrait, resized

FRONT = np.diag([1.0, -1.0, -1.0])
"""The head frame's axes in those of a camera straight before the face."""


@pytest.fixture(scope="module")
def face() -> Face:
    (found,) = FaceMeshFinder().find(portrait().rgb)
    return found


def concerns_with(fault: Fault, face: Face) -> list[str]:
    rgb = fault(portrait().rgb, face)
    (found,) = FaceMeshFinder().find(rgb)
    return face_concerns(rgb, found, FRONT)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_good_photo_gives_no_warning(name: str, face: Face) -> None:
    assert concerns_with(HARMLESS[name], face) == []


@pytest.mark.parametrize("name", COVERED)
def test_a_mask_is_told(name: str, face: Face) -> None:
    (warning,) = concerns_with(COVERED[name], face)
    assert warning.startswith("something is before mouth or chin")


@pytest.mark.parametrize("name", HIDDEN)
def test_dark_glasses_are_told(name: str, face: Face) -> None:
    (warning,) = concerns_with(HIDDEN[name], face)
    assert warning.startswith("the eyes are hidden")


def test_one_hidden_eye_is_told_as_one(face: Face) -> None:
    def patched(rgb: Rgb, face: Face) -> Rgb:
        dark = HIDDEN["black glasses"](rgb, face)
        middle = round(float(face.landmarks[168, 0]))
        return np.concatenate([dark[:, :middle], rgb[:, middle:]], 1)

    (warning,) = concerns_with(patched, face)
    assert warning.startswith("an eye is hidden")


@pytest.mark.parametrize("name", SHUT)
def test_shut_eyes_are_told(name: str, face: Face) -> None:
    (warning,) = concerns_with(SHUT[name], face)
    assert warning.startswith("the eyes are shut")


@pytest.mark.parametrize("name", BLURRED)
def test_blur_is_told_and_nothing_else_is_seen_in_it(name: str, face: Face) -> None:
    (warning,) = concerns_with(BLURRED[name], face)
    assert warning.startswith("the face is blurred")


def test_a_small_face_is_told_as_small_not_as_blurred() -> None:
    rgb = resized(256)
    (found,) = FaceMeshFinder().find(rgb)
    (warning,) = face_concerns(rgb, found, FRONT)
    assert warning == "the face is 46 px across; under 64 px likeness suffers"


@pytest.mark.parametrize(
    ("yaw_deg", "roll_deg", "told"),
    [(35, 0, []), (45, 0, ["turned aside by 45°"]), (-45, 0, ["turned aside by 45°"]), (0, 25, [])]
    + [(0, 35, ["tilted by 35°"]), (0, -35, ["tilted by 35°"])],
)
def test_a_head_far_aside_or_tilted_is_told(
    yaw_deg: float, roll_deg: float, told: list[str], face: Face
) -> None:
    yaw, roll = np.radians([yaw_deg, roll_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    in_picture = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    found = face_concerns(portrait().rgb, face, in_picture @ FRONT @ about_y)
    assert len(found) == len(told) and all(part in text for part, text in zip(told, found, strict=True))
