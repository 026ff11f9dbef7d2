import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array
from fastavatar.models.facemesh.bundle import head_pose
from fastavatar.models.facemesh.template import LANDMARKS, load_template


def posed(yaw_deg: float, pitch_deg: float, roll_deg: float, at: tuple[float, float, float]) -> Array:
    """Head frame to OpenCV axes of a head turned from facing the camera."""
    pose = np.eye(4)
    facing = np.diag([1.0, -1, -1])
    pose[:3, :3] = facing @ Rotation.from_euler("yxz", [yaw_deg, pitch_deg, roll_deg], True).as_matrix()
    pose[:3, 3] = at
    return pose


@pytest.mark.parametrize("turn", [(0, 0, 0), (30, 0, 0), (-30, 10, -15), (0, -20, 20), (45, 0, 0)])
@pytest.mark.parametrize("at", [(0.0, 0.0, 1.0), (0.1, -0.08, 0.6)])
def test_a_known_pose_is_recovered(turn: tuple[float, float, float], at: tuple[float, float, float]) -> None:
    points, pose = load_template().vertices[:LANDMARKS], posed(*turn, at)
    np.testing.assert_allclose(head_pose(points @ pose[:3, :3].T + pose[:3, 3], points), pose, atol=1e-9)


def test_a_larger_face_stays_where_it_is_seen() -> None:
    points, pose = load_template().vertices[:LANDMARKS], posed(20, 5, 0, (0.1, 0, 0.8))
    in_camera = 1.1 * points @ pose[:3, :3].T + pose[:3, 3]
    found = head_pose(in_camera, points)
    np.testing.assert_allclose(found[:3, :3], pose[:3, :3], atol=1e-9)
    in_head = (in_camera - found[:3, 3]) @ found[:3, :3]
    np.testing.assert_allclose(in_head.mean(0), points.mean(0), atol=1e-9)
    assert np.ptp(in_head[:, 0]) == pytest.approx(1.1 * np.ptp(points[:, 0]))
