from pathlib import Path

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.settings import Optimization, Settings
from fastavatar.models.stages import listening
from fastavatar.results.outputs import Outputs
from tests.portraits import photo_of, portrait, small_left_large_right


def test_a_changed_pipeline_has_the_same_model_and_leaves_the_first_as_it_was() -> None:
    """The model is loaded once for photos that are treated differently."""
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
