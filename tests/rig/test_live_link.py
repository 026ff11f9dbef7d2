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


APP_COLUMNS = """Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,
EyeLookUpLeft,EyeSquintLeft,EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,
EyeSquintRight,EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,
MouthLeft,MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,
MouthStretchLeft,MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,
MouthPressLeft,MouthPressRight,MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,
BrowDownRight,BrowInnerUp,BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,
NoseSneerLeft,NoseSneerRight,TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,
RightEyeYaw,RightEyePitch,RightEyeRoll""".replace("\n", "")
"""The first line of the app's CSV, as programs that read it publish it: ARKit's order, left before right."""


def test_the_apps_own_layout_is_read_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = APP_COLUMNS.split(",")
    assert len(names) == 63  # 52 weights, three turns of the head and of each eye
    rows = [APP_COLUMNS]
    for frame in range(120):
        # 59.94 frames a second, counted as 60: hours, minutes, seconds, frame and thousandths of it
        numbers = [f"{k / 100 if 2 <= k < 54 else 0.0:.8f}" for k in range(2, 63)]
        numbers[names.index("JawOpen") - 2] = f"{frame / 200:.8f}"
        rows.append(f"09:41:{7 + frame // 60:02}:{frame % 60:02}.{frame % 7:03},61,{','.join(numbers)}")
    path = tmp_path / "MySlate_7_iPhone.csv"
    path.write_bytes("\r\n".join(rows).encode())
    motion = read_live_link(path)
    assert not caplog.text and motion.fps == 60 and len(motion) == 120
    assert motion.weights[:, JAW] == pytest.approx(np.arange(120) / 200, abs=1e-3)
    for name in set(ARKIT_NAMES) - {"jawOpen"}:
        column = names.index(name[0].upper() + name[1:])
        assert motion.weights[50, ARKIT_NAMES.index(name)] == pytest.approx(column / 100, abs=1e-3), name


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
