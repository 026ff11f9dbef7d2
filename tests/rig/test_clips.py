import numpy as np
import pytest

from fastavatar.errors import UsageError
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import CLIPS, captions, clip


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("fps", [24.0, 30.0])
def test_a_clip_loops_without_a_jump(name: str, fps: float) -> None:
    motion = clip(name, fps)
    for values in (motion.weights, motion.head_turns, motion.gazes):
        steps = np.abs(np.diff(values, axis=0)).max()
        assert np.abs(values[0] - values[-1]).max() <= steps + 1e-9


def test_idle_blinks_and_turns_a_little() -> None:
    motion = clip("idle")
    lids = motion.weights[:, ARKIT_NAMES.index("eyeBlinkLeft")]
    assert lids.max() > 0.95 and (lids > 0.5).mean() < 0.1
    assert 1 < np.abs(motion.head_turns).max() < 4
    assert np.abs(motion.head_turns + motion.gazes.mean(1) @ np.eye(2, 3)).max() < 2  # the eyes rest


def test_each_expression_is_shown_whole_and_under_its_name() -> None:
    motion = clip("expressions")
    shown = captions("expressions")
    assert [caption.text for caption in shown] == list(ARKIT_NAMES)
    for index, caption in enumerate(shown):
        middle = motion.weights[round((caption.start_s + caption.end_s) / 2 * motion.fps)]
        assert middle[index] == pytest.approx(1)
        expected = 2 if caption.text == "mouthClose" else 1
        assert middle.sum() == pytest.approx(expected)


def test_an_unknown_clip_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="idle, expressions, vowels"):
        clip("dance")
