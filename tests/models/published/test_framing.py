import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.models.published import framing
from fastavatar.models.published.framing import Region

CAPTURE = Region(0.0, 0.0, framing.CAPTURE_WIDTH, framing.CAPTURE_HEIGHT)
sizes = st.floats(20, 2000)
places = st.floats(-500, 3000)


@given(places, places, sizes, sizes)
def test_the_face_always_lies_where_it_lies_in_the_captures(
    left: float, top: float, width: float, height: float
) -> None:
    region = framing.framed_like_a_capture((left, top, left + width, top + height))
    scale = region.width / framing.CAPTURE_WIDTH
    assert region.height / framing.CAPTURE_HEIGHT == pytest.approx(scale)
    assert (left + width / 2 - region.left) / region.width == pytest.approx(0.5, abs=1e-6)
    assert (top + height / 2 - region.top) / region.height == pytest.approx(0.43, abs=1e-6)
    assert (width * height) ** 0.5 / scale == pytest.approx(265)


@given(places, places, sizes)
@settings(deadline=None)
def test_intrinsics_map_a_capture_pixel_to_its_place_in_the_photo(
    left: float, top: float, width: float
) -> None:
    region = Region(left, top, width, width * 802 / 550)
    ray = torch.tensor([0.05, -0.1, 1.0])
    in_capture = CAPTURE.K @ ray
    expected = torch.tensor([left, top]) + in_capture[:2] * width / 550
    torch.testing.assert_close((region.K @ ray)[:2], expected, atol=0.01, rtol=1e-5)


def ramp(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns % 256, rows % 256, np.full_like(rows, 7)], -1).astype(np.uint8)


def test_a_capture_sized_region_is_copied() -> None:
    photo = ramp(802, 550)
    assert np.array_equal(framing.cut(photo, CAPTURE), photo)


def test_a_region_is_shifted_by_whole_pixels_and_white_beyond_the_photo() -> None:
    photo = ramp(802, 550)
    cut = framing.cut(photo, Region(-100, 200, 550, 802))
    assert np.array_equal(cut[:602, 100:], photo[200:, :450])
    assert (cut[:, :100] == 255).all() and (cut[602:] == 255).all()


@given(st.floats(-900, 900), st.floats(-900, 900), st.floats(0.02, 20))
@settings(max_examples=40, deadline=None)
def test_every_region_can_be_cut(left: float, top: float, scale: float) -> None:
    cut = framing.cut(np.zeros((300, 200, 3), np.uint8), Region(left, top, 550 * scale, 802 * scale))
    assert cut.shape == (802, 550, 3)
    assert set(np.unique(cut)) <= {0, 255}


def test_the_background_becomes_white() -> None:
    photo = np.full((2, 2, 3), 100, np.uint8)
    coverage = np.array([[1, 0], [0.5, 1]], np.float32)
    assert framing.on_white(photo, coverage)[..., 0].tolist() == [[100, 255], [178, 100]]


def test_the_network_sees_normalised_rgb() -> None:
    photo = np.zeros((10, 30, 3), np.uint8)
    photo[..., 0] = 255
    found = framing.network_input(photo)
    assert found.shape == (1, 3, 224, 224)
    expected = torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225])
    torch.testing.assert_close(found[0, :, 100, 100], expected)


angles = st.floats(-1, 1)


@given(angles, angles, angles)
@settings(deadline=None)
def test_opengl_and_opencv_poses_of_one_camera_are_distinguished(x: float, y: float, roll: float) -> None:
    position = torch.tensor([x, y, 1.5], dtype=torch.float64)
    backward = position / position.norm()  # the camera looks at the origin
    right = torch.linalg.cross(torch.tensor([0.0, 1, 0], dtype=torch.float64), backward)
    right = right / right.norm()
    upright = torch.stack([right, torch.linalg.cross(backward, right), backward], 1)
    half = torch.tensor([1.0, 0, 0, roll], dtype=torch.float64)
    opengl = torch.eye(4, dtype=torch.float64)
    opengl[:3, :3] = upright @ matrix_from_quaternion_wxyz(half)
    opengl[:3, 3] = position
    opencv = opengl.clone()
    opencv[:3, 1:3] *= -1
    cameras = [framing.camera_from_pose(pose, CAPTURE, 550, 802) for pose in (opengl, opencv)]
    torch.testing.assert_close(cameras[0].world_to_camera, cameras[1].world_to_camera)
    torch.testing.assert_close(cameras[0].center.double(), position, atol=1e-5, rtol=0)
    pixels, depth = cameras[0].project(torch.zeros(1, 3))
    assert float(depth) == pytest.approx(float(position.norm()), rel=1e-4)
    torch.testing.assert_close(pixels[0], CAPTURE.K[:2, 2], atol=0.05, rtol=0)
