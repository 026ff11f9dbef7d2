import logging
from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import read_live_link
from tests.rig.takes import COLUMNS, Frame, timecode, write_take

JAW, BLINK = ARKIT_NAMES.index("jawOpen"), ARKIT_NAMES.index("eyeBlinkLeft")


def test_a_take_gives_its_weights_and_turns(tmp_path: Path) -> None:
    values = {"JawOpen": 0.25, "EyeBlinkLeft": 1.0, "HeadYaw": 0.2, "HeadPitch": -0.1, "HeadRoll": 0.3}
    frames: list[Frame] = [(timecode(k), values if k == 70 else {}) for k in range(150)]
    motion = read_live_link(write_take(tmp_path / "take.csv", frames))
    assert motion.fps == 60 and len(motion) == 150
    assert motion.weights[70, [JAW, BLINK]] == pytest.approx([0.25, 1.0])
    assert motion.weights.sum() == pytest.approx(1.25)
    # Unreal's yaw grows to the right and its pitch downward
    assert motion.head_turns[70] == pytest.approx(np.degrees([-0.2, 0.1, 0.3]), abs=1e-3)
    assert not motion.head_turns[:70].any() and not motion.gazes.any()


@pytest.mark.parametrize(
    ("counted", "step", "fps"), [(30, 1.0, 30), (30, 0.5, 60), (60, 2.0, 30), (25, 1.0, 25)]
)
def test_the_frame_rate_follows_from_the_timecodes(
    tmp_path: Path, counted: int, step: float, fps: float
) -> None:
    frames: list[Frame] = [(timecode(step * k, counted), {}) for k in range(200)]
    assert read_live_link(write_take(tmp_path / "take.csv", frames)).fps == fps


def test_dropped_frames_are_bridged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = [(timecode(k), {"JawOpen": k / 200}) for k in range(150) if not 40 <= k < 50]
    with caplog.at_level(logging.WARNING):
        motion = read_live_link(write_take(tmp_path / "take.csv", frames))
    assert "without a face: 10" in caplog.text
    assert motion.weights[:, JAW] == pytest.approx(np.arange(150) / 200, abs=1e-6)


def test_frames_without_a_face_are_bridged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_take(tmp_path / "take.csv", [(timecode(k), {"JawOpen": k / 200}) for k in range(150)])
    lines = path.read_text().splitlines()
    lines[60] = lines[60].split(",")[0] + ",0" + "," * (len(COLUMNS) - 2)
    path.write_text("\n".join(lines))
    motion = read_live_link(path)
    assert "without a face: 1" in caplog.text
    assert motion.weights[:, JAW] == pytest.approx(np.arange(150) / 200, abs=1e-6)


def test_a_take_may_pass_midnight(tmp_path: Path) -> None:
    frames: list[Frame] = [(timecode(k, start_s=86399), {}) for k in range(180)]
    assert len(read_live_link(write_take(tmp_path / "take.csv", frames))) == 180


def test_unknown_columns_are_named_and_missing_ones_are_zero(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    columns = ["Timecode", "BlendshapeCount", "jawopen", "Mood"]
    take = write_take(
        tmp_path / "take.csv", [(timecode(k), {"jawopen": 0.5, "Mood": 3}) for k in range(9)], columns
    )
    motion = read_live_link(take)
    assert "unknown columns are ignored: mood" in caplog.text and "HeadYaw" in caplog.text
    assert (motion.weights[:, JAW] == 0.5).all() and motion.weights.sum() == 4.5


def test_weights_beyond_their_range_are_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    motion = read_live_link(write_take(tmp_path / "take.csv", [(timecode(0), {"JawOpen": 1.4})]))
    assert motion.weights[0, JAW] == 1 and "jawOpen" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no frames"),
        (b"Timecode,JawOpen\n", "holds no frames"),
        (b"a,b\n1,2\n", "no take of Live Link Face"),
        (b"\xff\xfe\x00", "no CSV in UTF-8"),
        (b"Timecode,JawOpen\nlater,0.5\n", "'later' is no timecode"),
        (b"Timecode,JawOpen\n1:2:3:4.0,wide\n", "line 2 has 'wide' for jawopen"),
        (b"Timecode,JawOpen\n1:2:3:4.0,nan\n", "line 2 has 'nan'"),
        (b"Timecode,JawOpen,JawOpen\n1:2:3:4.0,1,1\n", "'jawopen' stands there twice"),
        (b"Timecode,JawOpen\n1:2:3:4.0,1\n1:2:3:4.0,1\n", "the time does not go on"),
        (b"Timecode,JawOpen\n1:2:3:4.0,1\n1:2:2:4.0,1\n", "the time does not go on"),
        (b"Timecode,JawOpen\n1:2:3:4.0,\n", "none of its frames holds a face"),
        (b"Timecode,JawOpen\n0:0:0:0.0,1\n0:0:0:1.0,1\n0:0:0:2.0,1\n11:2:3:4.0,1\n", "too many"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "take.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as refused:
        read_live_link(path)
    assert "\n" not in str(refused.value)
