import json
from pathlib import Path
from typing import Any

import pytest

from fastavatar.errors import InputError
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import read_weights_json


def written(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_frames_give_weights_and_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = [{}, {"jawOpen": 0.5, "headYaw": 20, "headRoll": -5, "mood": 1}]
    motion = read_weights_json(written(tmp_path / "a.json", {"fps": 24, "frames": frames}))
    assert motion.fps == 24 and len(motion) == 2
    assert motion.weights[1, ARKIT_NAMES.index("jawOpen")] == 0.5 == motion.weights.sum()
    assert motion.head_turns.tolist() == [[0, 0, 0], [20, 0, -5]]
    assert "unknown names are ignored: mood" in caplog.text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "a motion is"),
        ({"fps": 30, "frames": []}, "a motion is"),
        ({"fps": 30, "frames": [1]}, "a motion is"),
        ({"frames": [{}]}, "fps must be a finite number"),
        ({"fps": 0, "frames": [{}]}, "fps must be within"),
        ({"fps": 30, "frames": [{"jawOpen": "wide"}]}, "jawOpen of frame 0"),
        ({"fps": 30, "frames": [{"jawOpen": float("nan")}]}, "jawOpen of frame 0"),
        ({"fps": 30, "frames": [{"jawOpen": True}]}, "jawOpen of frame 0"),
        ({"fps": 30, "frames": [{"jawOpen": 10**40}]}, "jawOpen of frame 0"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, data: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refused:
        read_weights_json(written(tmp_path / "a.json", data))
    assert "\n" not in str(refused.value)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"{" * 100_000)
    with pytest.raises(InputError, match="no JSON"):
        read_weights_json(path)
