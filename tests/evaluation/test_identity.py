from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.settings import Settings
from fastavatar.core import Avatar, Face
from fastavatar.evaluation.identity import Likeness, _person, check_identity, measure_identity
from fastavatar.faces import FaceRecogniser
from fastavatar.rendering import render
from fastavatar.rendering.head_view import frame_sphere, head_sphere
from tests.portraits import portrait
from tests.results.avatars import make_avatar

FACE_BOX = (225.0, 90.0, 340.0, 225.0)
"""The portrait's face, in pixels of the 640×640 picture that the stand-in detector sees."""


def test_photo_and_head_are_compared_by_the_real_loader(avatar: Avatar, tmp_path: Path) -> None:
    """InsightFace's own code with stand-in models, whose embedding is a face's mean colour."""
    pytest.importorskip("insightface")
    from tests.faces.insightface_pack import write_pack

    checked = check_identity(avatar, write_pack(tmp_path / "pack", [FACE_BOX]))
    found = checked.provenance.fact(Likeness)
    assert found is not None and list(found.cosines) == [0, -30, 30, -60, 60]
    # each is of its own render
    assert found.cosines[0] != found.cosines[60]
    told = found.for_summary()["identity"]
    assert isinstance(told, dict) and list(told) == ["0", "-30", "30", "-60", "60"]
    assert checked.gaussians is avatar.gaussians


@pytest.mark.parametrize("chosen", [0, 1])
def test_the_face_that_was_chosen_is_compared(chosen: int) -> None:
    """The photo shows a small face on the left and a larger one on the right."""
    faces = [
        Face(0, 2, (10, 10, 40, 50), embedding=np.eye(512, dtype=np.float32)[0]),
        Face(1, 2, (60, 5, 110, 70), embedding=np.eye(512, dtype=np.float32)[1]),
    ]
    avatar = make_avatar()
    own = Face(chosen, 2, (faces[chosen].box[0] - 3, *faces[chosen].box[1:]))
    assert _person(replace(avatar, face=own), faces) is faces[chosen]
    assert _person(replace(avatar, face=None), faces) is faces[1], "the largest where no face is known"
    assert _person(replace(avatar, face=own), [faces[1 - chosen]]) is None, "not another person's likeness"


@pytest.mark.parametrize(("azimuth_deg", "own", "negative"), [(0, 1.0, -1.0), (30, 1.0, -1.0)])
def test_a_head_is_like_its_own_picture_and_unlike_the_negative(
    avatar: Avatar, tmp_path: Path, azimuth_deg: int, own: float, negative: float
) -> None:
    """The stand-in embeds mean colours about mid grey, so a negative has the opposite embedding."""
    pytest.importorskip("insightface")
    from tests.faces.insightface_pack import write_pack

    recogniser = FaceRecogniser(write_pack(tmp_path / "pack", [FACE_BOX]))
    center, radius_m = head_sphere(avatar.gaussians)
    camera = frame_sphere(avatar.camera, center, 1.3 * radius_m, 512).orbited(azimuth_deg, target=center)
    picture = (render(avatar.gaussians, camera).image.clamp(0, 1) * 255).round().byte().numpy()
    for rgb, expected in ((picture, own), (255 - picture, negative)):
        photo = replace(avatar.photo, rgb=rgb, alpha=None)
        found = measure_identity(replace(avatar, photo=photo, face=None), recogniser).cosines
        assert found[azimuth_deg] == pytest.approx(expected, abs=2e-3)
        others = [value for azimuth, value in found.items() if azimuth != azimuth_deg]
        assert all(value is not None and abs(value) < abs(expected) - 1e-4 for value in others)


def test_no_face_in_the_photo_is_a_warning(avatar: Avatar, tmp_path: Path) -> None:
    pytest.importorskip("insightface")
    from tests.faces.insightface_pack import write_pack

    checked = check_identity(avatar, write_pack(tmp_path / "pack", []))
    found = checked.provenance.fact(Likeness)
    assert found is not None and set(found.cosines.values()) == {None}
    assert checked.provenance.warnings[-1].startswith("no likeness was measured: InsightFace misses the face")


def test_a_low_similarity_is_a_warning() -> None:
    found = Likeness({0: 0.8, -30: 0.29, 30: 0.5, -60: None, 60: -0.1})
    (warning,) = found.warnings()
    assert (
        warning
        == "the head is little like the photo: cosine 0.29 at -30°, -0.10 at +60°, 0.3 is another person's"
    )
    assert Likeness({0: 0.8, -30: 0.3}).warnings() == ()


def test_a_missing_pack_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    avatar = Pipeline(Settings(model="facemesh", check_identity=True)).predict(portrait())
    assert avatar.provenance.fact(Likeness) is None
    told = [text for text in avatar.provenance.warnings if "likeness" in text]
    assert told == [
        "no likeness was measured: InsightFace's pack buffalo_l is not here (for non-commercial research "
        "only; fastavatar weights fetch gets it)"
    ]
