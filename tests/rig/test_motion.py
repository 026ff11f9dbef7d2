from typing import Any

import numpy as np
import pytest

from fastavatar.errors import InputError, UsageError
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import Motion, still


def _motion(frames: int = 3, **changes: Any) -> Motion:
    parts: dict[str, Any] = {
        "fps": 30.0,
        "weights": np.zeros((frames, 52)),
        "head_turns": np.zeros((frames, 3)),
        "gazes": np.zeros((frames, 2, 2)),
    }
    return Motion(**{**parts, **changes})


def test_a_motion_is_its_frames_in_order() -> None:
    turns = np.arange(9.0).reshape(3, 3)
    motion = _motion(head_turns=turns)
    assert len(motion) == 3
    assert np.array_equal([frame.head_turn for frame in motion], turns)


def test_a_still_holds_the_weights_named() -> None:
    (frame,) = still({"jawOpen": 0.5})
    assert frame.weights[ARKIT_NAMES.index("jawOpen")] == 0.5
    assert frame.weights.sum() == 0.5


@pytest.mark.parametrize("weight", [-0.01, 1.01])
def test_weights_outside_0_to_1_are_refused_by_name(weight: float) -> None:
    with pytest.raises(UsageError, match="jawOpen"):
        still({"jawOpen": weight})


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": 0.0},
        {"fps": np.nan},
        {"weights": np.zeros((3, 51))},
        {"head_turns": np.zeros((2, 3))},
        {"gazes": np.full((3, 2, 2), np.nan)},
    ],
)
def test_motions_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        _motion(**changes)
