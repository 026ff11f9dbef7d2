import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array
from fastavatar.models.facemesh.template import LANDMARKS, load_template
from scripts.head_template.face import INTERPUPILLARY_RANGE_M, IRIS_DIAMETER_M, metric_landmarks

WIDTH, HEIGHT = 800, 600
CENTER = (WIDTH / 2, HEIGHT / 2)
angles = st.floats(-np.pi, np.pi)
rotations = st.tuples(angles, angles, angles).map(lambda a: Rotation.from_euler("xyz", a).as_matrix())
vectors = st.tuples(*[st.floats(-2, 2)] * 3).map(np.array)


def average_landmarks() -> Array:
    """The template's, with irises of average size an average distance apart."""
    points = load_template().vertices[:LANDMARKS].copy()
    for center, side in ((468, -1), (473, 1)):
        points[center, 0] = side * 0.0315
        for k, (right, up) in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
            points[center + 1 + k] = points[center] + IRIS_DIAMETER_M / 2 * np.array([right, up, 0])
    return points


def seen(points: Array, pose: Array, focal_px: float) -> NDArray[np.float32]:
    """Landmarks as Face Mesh returns them: pixels, and depth in the same unit with an arbitrary offset."""
    x, y, z = (points @ pose[:3, :3].T + pose[:3, 3]).T
    eyes = z[468:478].mean()
    on_plane = focal_px * np.stack([x / z, y / z], 1) + CENTER
    return np.column_stack([on_plane, (z - eyes) * focal_px / eyes + 17]).astype(np.float32)


def posed(yaw_deg: float, pitch_deg: float, roll_deg: float, at: tuple[float, float, float]) -> Array:
    """Head frame to OpenCV axes of a head turned from facing the camera."""
    pose = np.eye(4)
    facing = np.diag([1.0, -1, -1])
    pose[:3, :3] = facing @ Rotation.from_euler("yxz", [yaw_deg, pitch_deg, roll_deg], True).as_matrix()
    pose[:3, 3] = at
    return pose


def degrees_between(a: Array, b: Array) -> float:
    return float(np.degrees(Rotation.from_matrix(a @ b.T).magnitude()))


def test_metric_landmarks_project_back_onto_their_pixels() -> None:
    pixels = seen(average_landmarks(), posed(25, -10, 5, (0.05, 0.1, 0.9)), 900)
    x, y, z = metric_landmarks(pixels, 900, CENTER).T
    np.testing.assert_allclose(900 * np.stack([x / z, y / z], 1) + CENTER, pixels[:, :2], atol=1e-3)


def test_a_longer_lens_means_a_farther_head_of_the_same_size() -> None:
    pixels = seen(average_landmarks(), posed(0, 0, 0, (0, 0, 1)), 900)
    near, far = (metric_landmarks(pixels, focal_px, CENTER) for focal_px in (900, 1800))
    assert far[:, 2].mean() == pytest.approx(2 * near[:, 2].mean(), rel=0.01)
    assert np.ptp(far[:, 0]) == pytest.approx(np.ptp(near[:, 0]), rel=0.05)


@pytest.mark.parametrize(("iris_scale", "expected_m"), [(1.0, 0.063), (0.5, 0.0664), (2.0, 0.0594)])
def test_the_pupils_distance_stays_an_adults(iris_scale: float, expected_m: float) -> None:
    """The distance is the geometric mean of the irises' estimate and the average."""
    points = average_landmarks()
    for center in (468, 473):
        points[center + 1 : center + 5] = points[center] + iris_scale * (
            points[center + 1 : center + 5] - points[center]
        )
    in_camera = metric_landmarks(seen(points, posed(0, 0, 0, (0, 0, 1)), 900), 900, CENTER)
    found_m = np.linalg.norm(in_camera[468] - in_camera[473])
    assert found_m == pytest.approx(expected_m, abs=5e-4)
    assert INTERPUPILLARY_RANGE_M[0] < found_m < INTERPUPILLARY_RANGE_M[1]
