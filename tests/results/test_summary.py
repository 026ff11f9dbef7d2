import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fastavatar
from fastavatar.core import frontal_camera
from fastavatar.results.ownership import Written
from fastavatar.results.summary import Run, head_pose, splat_statistics, summarize, versions
from tests.results.avatars import ModelFacts, make_avatar

angles = st.floats(-80, 80)


def about(axis: int, degrees: float) -> torch.Tensor:
    """Rotation (3, 3) by the right-hand rule about x, y or z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def make_summary() -> dict[str, Any]:
    written = {"splats.ply": Written(3, "0" * 64)}
    return summarize(make_avatar(), Run(), "head", written, {"all": 1.23456}, {"fastavatar": "0"}, 12.34)


def test_the_published_fields() -> None:
    summary = make_summary()
    assert summary["image_path"] == "photos/face.jpg"
    assert summary["num_gaussians"] == 300
    assert summary["w_vector_shape"] == [512] and summary["head_width_m"] == 0.15
    statistics = splat_statistics(make_avatar().gaussians)
    assert summary["splat_statistics"] == statistics
    assert statistics["means_std"] == pytest.approx(0.1 / math.sqrt(3), rel=0.05)
    assert statistics["scales_mean"] == pytest.approx(math.exp(-4.3))
    assert statistics["opacities_mean"] == pytest.approx(1 / (1 + math.exp(-3)))


def test_models_cannot_shadow_common_fields() -> None:
    avatar = make_avatar()
    avatar = replace(avatar, provenance=avatar.provenance.with_facts(ModelFacts(gaussians=-1)))
    assert avatar.provenance.fact(ModelFacts) == ModelFacts(gaussians=-1)
    assert summarize(avatar, Run(), "head", {}, {}, {}, 0)["num_gaussians"] == 300


def test_the_summary_describes_photo_camera_and_face() -> None:
    summary = make_summary()
    assert summary["image"] == {"width": 120, "height": 90, "focal_px_from_exif": 150.0}
    assert summary["camera"]["K"] == [[150, 0, 60], [0, 150, 45], [0, 0, 1]]
    assert summary["camera"]["world_to_camera"] == [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 1], [0, 0, 0, 1]]
    assert summary["face"] == {"index": 0, "count": 2, "box": [40, 20, 80, 70]}
    assert summary["head_to_frame"] == torch.eye(3).tolist()
    assert summary["warnings"] == ["The face is small."]


@given(angles)
def test_a_camera_to_the_persons_left_sees_the_face_turned_to_the_right(azimuth_deg: float) -> None:
    seen = head_pose(frontal_camera(1, 100, 9, 9).orbited(azimuth_deg).world_to_camera)
    assert seen["yaw_deg"] == pytest.approx(-azimuth_deg, abs=1e-2)
    assert abs(seen["pitch_deg"]) < 1e-2 and abs(seen["roll_deg"]) < 1e-2


@given(angles)
def test_a_camera_from_above_sees_the_face_look_down(elevation_deg: float) -> None:
    seen = head_pose(frontal_camera(1, 100, 9, 9).orbited(0, elevation_deg).world_to_camera)
    assert seen["pitch_deg"] == pytest.approx(-elevation_deg, abs=1e-2)
    assert abs(seen["yaw_deg"]) < 1e-2 and abs(seen["roll_deg"]) < 1e-2


@given(angles, angles, angles)
def test_the_angles_are_those_the_head_was_turned_by(yaw: float, pitch: float, roll: float) -> None:
    """About its own axes: y up, x to the person's left, z out of the face."""
    pose = frontal_camera(1, 100, 9, 9).world_to_camera.double()
    pose[:3, :3] = pose[:3, :3] @ about(1, yaw) @ about(0, -pitch) @ about(2, -roll)
    seen = head_pose(pose)
    assert (seen["yaw_deg"], seen["pitch_deg"], seen["roll_deg"]) == pytest.approx(
        (yaw, pitch, roll), abs=1e-2
    )
    assert seen["head_to_camera"] == pose.tolist()


def test_the_signs_of_the_angles() -> None:
    """A positive roll brings the left ear, at x > 0, down and so to greater y in the picture."""
    pose = frontal_camera(1, 100, 9, 9).world_to_camera.double()
    for axis, angle, point, moves in [
        (1, 20.0, [0.0, 0.0, 0.1], "right"),  # yaw: the nose goes to the person's left, right in the picture
        (0, -20.0, [0.0, 0.0, 0.1], "up"),  # pitch: the nose rises
        (2, -20.0, [0.1, 0.0, 0.0], "down"),  # roll: the left ear sinks
    ]:
        turned = pose.clone()
        turned[:3, :3] = pose[:3, :3] @ about(axis, angle)
        x, y, _ = (turned[:3, :3] @ torch.tensor(point, dtype=torch.float64)).tolist()
        assert {"right": x > 0.01, "up": y < -0.01, "down": y > 0.01}[moves], axis
        assert max(head_pose(turned)[name] for name in ("yaw_deg", "pitch_deg", "roll_deg")) == pytest.approx(
            20
        )


def test_versions_are_those_that_run() -> None:
    found = versions()
    assert {"fastavatar", "python", "torch", "numpy", "mediapipe"} <= set(found)
    assert found["fastavatar"] == fastavatar.__version__
    assert found["python"].split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    assert found["numpy"] == np.__version__
