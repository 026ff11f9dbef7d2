from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from fastavatar.core import Avatar
from fastavatar.errors import NoFaceError
from fastavatar.head import ARKIT_NAMES, HeadShot
from fastavatar.images import read_frames
from fastavatar.rendering import render
from fastavatar.results import head_cameras, poses
from fastavatar.rig import bind, track_video
from tests.clips import Rgb, write_clip
from tests.portraits import picture, portrait, without_face


def rolled(degrees: float) -> Rgb:
    """The portrait turned in the picture, counter-clockwise."""
    return np.asarray(picture().rotate(degrees, Image.Resampling.BICUBIC, center=(226, 124)))


def test_a_rolling_head_is_followed(tmp_path: Path) -> None:
    angles = 10 * np.sin(np.arange(45) / 7)
    motion = track_video(write_clip(tmp_path / "roll.mp4", [rolled(angle) for angle in angles], fps=30))
    assert motion.fps == 30 and len(motion) == 45
    # A head on whose left, to the right in the picture, everything sinks tilts to its left shoulder
    roll = motion.head_turns[:, 2] - motion.head_turns[0, 2]
    assert np.abs(roll + angles).max() < 3
    assert np.ptp(motion.head_turns[:, 0]) < 3 and np.ptp(motion.head_turns[:, 1]) < 4
    smile = motion.weights[:, ARKIT_NAMES.index("mouthSmileLeft")]
    assert smile.min() > 0.3 and np.abs(np.diff(motion.weights, axis=0)).max() < 0.12


def test_a_still_video_gives_a_still_motion(tmp_path: Path) -> None:
    motion = track_video(write_clip(tmp_path / "still.mp4", [portrait().rgb] * 40, fps=30))
    assert np.abs(np.diff(motion.weights, axis=0)).max() < 0.02
    assert np.abs(np.diff(motion.head_turns, axis=0)).max() < 0.05


def test_a_still_video_gives_a_still_picture(avatar: Avatar, tmp_path: Path) -> None:
    """A driver who does not move makes a picture that changes by less than 1 of 255 from frame to frame."""
    motion = track_video(write_clip(tmp_path / "still.mp4", [portrait().rgb] * 24, fps=30))
    rig = bind(avatar)
    (camera,) = head_cameras(rig.rest.subset(torch.arange(rig.own)), frames=1, size_px=128)
    shown = [render(pose, camera).image for pose in poses(rig, motion)]
    changes = [255 * (after - before).abs() for before, after in pairwise(shown)]
    assert max(float(change.mean()) for change in changes) < 0.1
    assert max(float(change.quantile(0.999)) for change in changes) < 1  # 3 at single pixels


def test_frames_without_a_face_are_bridged_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    angles = np.linspace(0, 10, 40)
    shown = [rolled(angle) for angle in angles]
    shown[15:22] = [np.full_like(shown[0], 128)] * 7
    motion = track_video(write_clip(tmp_path / "gap.mp4", shown, fps=20))
    assert "of 40 frames show no face" in caplog.text and len(motion) == 40
    assert np.abs(motion.head_turns[:, 2] - motion.head_turns[0, 2] + angles).max() < 3


def test_a_video_without_a_face_is_refused(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "noise.mp4", [without_face()] * 4)
    with pytest.raises(NoFaceError, match="noise.mp4: give a video"):
        track_video(clip)


def test_frames_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [portrait().rgb] * 8, fps=10)
    frames = read_frames(clip, 256)
    first = next(frames)
    assert first.rgb.shape == (256, 256, 3) and first.scale == 0.5 and first.at_seconds == 0
    assert [frame.at_seconds for frame in frames] == pytest.approx(np.arange(1, 8) / 10)


def test_angles_of_a_shot_are_those_of_the_summary() -> None:
    yaw, pitch, roll = 20.0, 10.0, -5.0
    turned = Rotation.from_euler("YXZ", [yaw, -pitch, -roll], degrees=True).as_matrix()
    shot = HeadShot(np.diag([1.0, -1.0, -1.0]) @ turned, np.array([0, 0, 1.0]), 800.0, np.zeros(46))
    assert shot.turn_deg == pytest.approx([yaw, pitch, roll])
