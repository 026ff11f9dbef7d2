import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.settings import Optimization, Settings
from fastavatar.core import Avatar, Face
from fastavatar.evaluation.identity import _person
from fastavatar.faces import FaceMeshFinder
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.options import PublishedOptions
from fastavatar.models.stages import listening
from fastavatar.results.outputs import Outputs
from tests.faces.insightface_pack import DETECTION_PX, write_pack
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS
from tests.portraits import photo_of, portrait, small_left_large_right


def test_a_changed_pipeline_has_the_same_model_and_leaves_the_first_as_it_was() -> None:
    """One loaded model serves photos with different settings."""
    first = Pipeline(Settings(model="facemesh", device="cpu", seed=3))
    other = first.changed(face=0, outputs=Outputs(frame="head"), optimization=Optimization(iterations=2))
    assert other._predictor is first._predictor
    assert (first.settings.face, first.settings.optimization, first.refinement) == (None, None, None)
    assert other.settings.seed == 3 and other.refinement is not None and other.refinement.iterations == 2
    assert first.changed(threads=None).settings == first.settings
    photo = photo_of(small_left_large_right())
    chosen, largest = other.changed(optimization=None).predict(photo).face, first.predict(photo).face
    assert chosen is not None and largest is not None
    assert (chosen.index, largest.index) == (0, 1)


def test_a_refinement_is_a_stage() -> None:
    heard: list[str] = []
    pipeline = Pipeline(
        Settings(model="facemesh", device="cpu", optimization=Optimization(iterations=1), cache_dir=Path("x"))
    )
    with listening(heard.append):
        pipeline.predict(portrait())
    assert heard == ["find faces", "pose", "person mask", "fit head", "colours", "refine"]


@pytest.mark.parametrize("model", ["facemesh", "fastavatar"])
@pytest.mark.parametrize("chosen", [0, 1])
def test_the_chosen_face_reaches_summary_and_identity_check(
    model: Literal["facemesh", "fastavatar"], chosen: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people, a small one on the left; the stand-in recogniser distinguishes them by mean colour."""
    photo = photo_of(small_left_large_right())
    faces = FaceMeshFinder().find(photo.rgb)
    scale = DETECTION_PX / max(photo.width, photo.height)  # of the picture that the detector sees
    boxes = [tuple(edge * scale for edge in face.box) for face in faces]
    pack = write_pack(tmp_path / "home" / ".insightface" / "models" / "buffalo_l", boxes)  # type: ignore[arg-type]
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    compared: list[Face | None] = []

    def person(avatar: Avatar, found: list[Face]) -> Face | None:
        compared.append(_person(avatar, found))
        return compared[-1]

    monkeypatch.setattr("fastavatar.evaluation.identity._person", person)
    write_made_up(tmp_path / "weights", 2, SMALL_DECODER, SMALL_POINTS)
    checkpoints = PublishedOptions(
        encoder_checkpoint=tmp_path / "weights" / "encoder_neutral_flame.pth",
        decoder_checkpoint=tmp_path / "weights" / "decoder_neutral_flame.pth",
        dino_checkpoint=tmp_path / "weights" / "dino_encoder.pth",
    )
    published = checkpoints if model == "fastavatar" else PublishedOptions()
    pipeline = Pipeline(
        Settings(
            model=model, device="cpu", face=chosen, check_identity=True, offline=True, published=published
        )
    )
    avatar = pipeline.predict(photo)
    pipeline.save(avatar, tmp_path / "out", overwrite=False, started=datetime.now(UTC))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert summary["face"]["index"] == chosen and summary["face"]["count"] == 2
    assert summary["face"]["box"] == pytest.approx(faces[chosen].box, abs=5)
    (taken,) = compared
    assert taken is not None and taken.index == chosen
    assert summary["identity"]["0"] is not None
    text = (tmp_path / "out" / "summary.json").read_text("utf-8")
    assert str(tmp_path) not in text and str(pack) not in text, "others see the summary"
