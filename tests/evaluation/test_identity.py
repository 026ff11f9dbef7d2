from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.settings import Settings
from fastavatar.core import Avatar, Face
from fastavatar.evaluation.identity import Identity, _person, check_identity
from fastavatar.faces.insightface import RecognisedFace
from tests.portraits import portrait
from tests.results.avatars import make_avatar

FACE_BOX = (225.0, 90.0, 340.0, 225.0)
"""The portrait's face, in pixels of the 640×640 picture that the stand-in detector sees."""


def test_photo_and_head_are_compared_by_the_real_loader(avatar: Avatar, tmp_path: Path) -> None:
    """Stand-in models in InsightFace's own code: what they embed is a face's mean colour."""
    pytest.importorskip("insightface")
    from tests.faces.insightface_pack import write_pack

    checked = check_identity(avatar, write_pack(tmp_path / "pack", [FACE_BOX]))
    found = checked.provenance.fact(Identity)
    assert found is not None and list(found.cosines) == [0, -30, 30, -60, 60]
    # mean colours of skin: never opposed, and each is of its own render
    assert all(value is not None and 0.5 < value < 1 for value in found.cosines.values())
    assert found.cosines[0] != found.cosines[60]
    told = found.for_summary()["identity"]
    assert isinstance(told, dict) and list(told) == ["0", "-30", "30", "-60", "60"]
    assert checked.gaussians is avatar.gaussians


@pytest.mark.parametrize("chosen", [0, 1])
def test_the_face_that_was_chosen_is_compared(chosen: int) -> None:
    """Of a small face on the left and a larger one on the right."""
    faces = [
        RecognisedFace(0, 2, (10, 10, 40, 50), np.eye(512, dtype=np.float32)[0]),
        RecognisedFace(1, 2, (60, 5, 110, 70), np.eye(512, dtype=np.float32)[1]),
    ]
    avatar = make_avatar()
    own = Face(chosen, 2, (faces[chosen].box[0] - 3, *faces[chosen].box[1:]), np.empty((0, 3), np.float32))
    assert _person(replace(avatar, face=own), faces) is faces[chosen]
    assert _person(replace(avatar, face=None), faces) is faces[1], "the largest where no face is known"
    assert _person(replace(avatar, face=own), [faces[1 - chosen]]) is None, "not somebody else's likeness"


def test_no_face_in_the_photo_is_told(avatar: Avatar, tmp_path: Path) -> None:
    pytest.importorskip("insightface")
    from tests.faces.insightface_pack import write_pack

    checked = check_identity(avatar, write_pack(tmp_path / "pack", []))
    found = checked.provenance.fact(Identity)
    assert found is not None and set(found.cosines.values()) == {None}
    assert checked.provenance.warnings[-1].startswith("no likeness was measured: InsightFace misses the face")


def test_what_is_little_alike_is_warned_of() -> None:
    found = Identity({0: 0.8, -30: 0.29, 30: 0.5, -60: None, 60: -0.1})
    (warning,) = found.warnings()
    assert (
        warning
        == "the head is little like the photo: cosine 0.29 at -30°, -0.10 at +60°, 0.3 is another person's"
    )
    assert Identity({0: 0.8, -30: 0.3}).warnings() == ()


def test_a_missing_pack_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    avatar = Pipeline(Settings(model="facemesh", check_identity=True)).predict(portrait())
    assert avatar.provenance.fact(Identity) is None
    told = [text for text in avatar.provenance.warnings if "likeness" in text]
    assert told == [
        "no likeness was measured: InsightFace's pack buffalo_l is not here (for non-commercial research "
        "only; fastavatar weights fetch gets it)"
    ]
