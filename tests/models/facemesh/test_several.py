from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation
from torch import Tensor

from fastavatar.core import Avatar, Camera, Photo
from fastavatar.errors import NoFaceError, UsageError
from fastavatar.geometry import Array
from fastavatar.models.facemesh.predictor import FaceMeshPredictor
from fastavatar.models.facemesh.several import PhotosFacts
from fastavatar.rendering import render
from tests.models.facemesh.several import SIZE_PX, WALL, camera_at, photo_from
from tests.portraits import photo_of, portrait, without_face

SIDES = ((0.0, 5.0, 1.0), (-35.0, 0.0, 0.8), (35.0, 0.0, 1.0))


@cache
def of_three(*order: int) -> Avatar:
    return FaceMeshPredictor().predict_several([photo_from(*SIDES[index]) for index in order])


def cameras(avatar: Avatar) -> list[Camera]:
    return [avatar.camera, *(camera for _, camera in avatar.others)]


def turn_between(a: Camera, b: Camera) -> Array:
    return np.asarray((b.world_to_camera[:3, :3] @ a.world_to_camera[:3, :3].T).double().numpy())


def test_each_photo_finds_its_camera() -> None:
    """By landmarks alone 2.9° of the 70° between the sides are missing: Face Mesh finds the less depth the
    farther a face is turned. The same skin in two photos corrects that.
    """
    found, true = cameras(of_three(0, 1, 2)), [camera_at(*side[:2]) for side in SIDES]
    for i, j in combinations(range(3), 2):
        wrong = turn_between(found[i], found[j]) @ turn_between(true[i], true[j]).T
        assert np.degrees(Rotation.from_matrix(wrong).magnitude()) < 2.3


def test_the_order_of_photos_changes_nothing_of_the_head() -> None:
    one, other = of_three(0, 1, 2), of_three(2, 0, 1)
    for name, values in one.gaussians.tensors().items():
        torch.testing.assert_close(other.gaussians.tensors()[name], values, atol=1e-6, rtol=0)
    assert other.photo is photo_from(*SIDES[2]) and other.face is not None
    assert [photo for photo, _ in other.others] == [photo_from(*SIDES[0]), photo_from(*SIDES[1])]
    for camera, same in zip(cameras(other), [cameras(one)[2], *cameras(one)[:2]], strict=True):
        torch.testing.assert_close(camera.world_to_camera, same.world_to_camera)


def test_exposures_are_made_to_agree() -> None:
    facts = of_three(0, 1, 2).provenance.fact(PhotosFacts)
    assert facts is not None
    middle, dark, other = (np.mean(shot.gains) for shot in facts.shots)
    assert dark / middle == pytest.approx(1 / 0.8, abs=0.05) and other / middle == pytest.approx(1, abs=0.05)


def test_photos_from_the_sides_show_what_the_front_hides() -> None:
    """The stripes on the sides of the head, seen from 45°, where no photo was taken."""
    front = FaceMeshPredictor().predict(photo_from(*SIDES[0]))
    true = torch.from_numpy(photo_from(45.0).rgb.copy()).float() / 255
    one, three = (_stripes(_seen_from(avatar, 45.0)) for avatar in (front, of_three(0, 1, 2)))
    assert three > 0.75 * _stripes(true) and three > 1.25 * one


def test_a_bust_cut_off_in_all_photos_is_closed_below() -> None:
    avatar = FaceMeshPredictor().predict_several([_cut_off(photo_from(*side)) for side in SIDES])
    middle = torch.tensor([0.0, -0.12, -0.06])
    below = camera_at(0).orbited(0, -75, middle)
    shown = render(avatar.gaussians, below)
    pixel, _ = below.project(middle[None])
    column, row = pixel[0].int().tolist()
    assert shown.alpha[row, column] > 0.95
    height = float(below.unproject(pixel, shown.depth[row, column][None])[0, 1])
    assert -0.25 < height < -0.1, "no way into the head"


def _cut_off(photo: Photo) -> Photo:
    """The photo before white, and only white from a row below the collar on."""
    rgb = np.where((photo.rgb == photo.rgb[0, 0]).all(2, keepdims=True), np.uint8(255), photo.rgb)
    rgb[SIZE_PX * 17 // 20 :] = 255
    return replace(photo, rgb=rgb)


def _seen_from(avatar: Avatar, azimuth_deg: float) -> Tensor:
    """(H, W, 3) what a camera there sees of the avatar, whose own first camera is at the front."""
    seen, true = avatar.camera.world_to_camera, camera_at(*SIDES[0][:2]).world_to_camera
    scale = float(true[2, 3] / seen[2, 3])
    rotation = true[:3, :3].T @ seen[:3, :3]
    shift = true[:3, :3].T @ (scale * seen[:3, 3] - true[:3, 3])
    placed = avatar.gaussians.transformed(scale, rotation, shift)
    return render(placed, camera_at(azimuth_deg), background=WALL).image


def _stripes(image: Tensor) -> float:
    """Contrast of level stripes on the hair over the ear, in a picture from 45°."""
    profile = image[95:200, 250:310].mean((1, 2))
    smooth = torch.nn.functional.avg_pool1d(profile[None], 21, 1, 10, count_include_pad=False)[0]
    return float((profile - smooth).std())


def test_a_photo_without_a_face_is_named() -> None:
    blank = photo_of(without_face())
    with pytest.raises(NoFaceError, match=f"^{blank.path}: no face found in the photo"):
        FaceMeshPredictor().predict_several([portrait(), blank])


def test_one_photo_gives_the_usual_avatar_and_none_is_refused(avatar: Avatar) -> None:
    alone = FaceMeshPredictor().predict_several([portrait()])
    torch.testing.assert_close(alone.gaussians.means, avatar.gaussians.means)
    assert alone.others == ()
    with pytest.raises(UsageError, match="no photo"):
        FaceMeshPredictor().predict_several([])


@cache
def stranger() -> Photo:
    """The portrait mirrored and broadened."""
    mirrored = Image.fromarray(portrait().rgb[:, ::-1])
    wide = mirrored.resize((round(1.35 * mirrored.width), mirrored.height))
    return replace(portrait(), rgb=np.asarray(wide), path=Path("other.png"), alpha=None)


def test_photos_of_two_people_become_a_head_with_a_warning() -> None:
    both = FaceMeshPredictor().predict_several([portrait(), stranger()])
    assert any("is it the same person?" in text for text in both.provenance.warnings)
    assert all(0.3 < float(camera.world_to_camera[2, 3]) < 3 for camera in cameras(both))


@pytest.mark.parametrize("place", [0, 2])
def test_of_three_photos_somebody_elses_is_left_out(place: int) -> None:
    mine = [photo_from(*SIDES[0]), photo_from(*SIDES[1])]
    photos = mine.copy()
    photos.insert(place, stranger())
    found = FaceMeshPredictor().predict_several(photos)
    assert found.photo is mine[0] and [photo for photo, _ in found.others] == mine[1:]
    assert [text for text in found.provenance.warnings if text.startswith("other.png: left out")]
    torch.testing.assert_close(
        found.gaussians.means, FaceMeshPredictor().predict_several(mine).gaussians.means
    )
