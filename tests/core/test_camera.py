import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fastavatar.core import Camera, frontal_camera
from fastavatar.core.camera import FACING_THE_HEAD
from fastavatar.errors import InputError
from tests.geometry.rotations import rotations

seeds = st.integers(0, 9999)
azimuths = st.floats(-179, 179)
elevations = st.floats(-85, 85)
coordinates = st.floats(-0.3, 0.3)


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = draw(rotations)
    pose[:3, 3] = torch.tensor(draw(st.tuples(coordinates, coordinates, st.floats(0.6, 3))))
    fx, fy, cx, cy = draw(st.tuples(*[st.floats(50, 5000)] * 2, *[st.floats(-100, 2000)] * 2))
    K = torch.tensor([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=torch.float64)
    return Camera(K, pose, draw(st.integers(1, 4000)), draw(st.integers(1, 4000)))


def points(seed: int, count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 3, generator=generator, dtype=torch.float64) - 0.5) * 0.4


@given(cameras(), seeds)
def test_unprojecting_undoes_projecting(camera: Camera, seed: int) -> None:
    pixels, depth = camera.project(points(seed))
    assume(bool((depth > 0.05).all()))
    torch.testing.assert_close(camera.unproject(pixels, depth), points(seed), rtol=0, atol=1e-8)


@given(cameras(), seeds)
def test_projecting_is_the_textbook_product(camera: Camera, seed: int) -> None:
    P = camera.K @ camera.world_to_camera[:3]
    homogeneous = torch.cat([points(seed), torch.ones(6, 1, dtype=torch.float64)], 1) @ P.T
    pixels, depth = camera.project(points(seed))
    torch.testing.assert_close(depth, homogeneous[:, 2])
    torch.testing.assert_close(pixels, homogeneous[:, :2] / homogeneous[:, 2:])


@given(cameras())
def test_the_center_lies_at_depth_zero(camera: Camera) -> None:
    in_camera = camera.world_to_camera[:3, :3] @ camera.center + camera.world_to_camera[:3, 3]
    torch.testing.assert_close(in_camera, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-9)


@given(cameras(), st.integers(1, 3000), st.integers(1, 3000), seeds)
def test_resizing_keeps_places_in_the_picture(camera: Camera, width: int, height: int, seed: int) -> None:
    resized = camera.resized(width, height)
    before, after = camera.project(points(seed))[0], resized.project(points(seed))[0]
    size = torch.tensor([camera.width, camera.height], dtype=torch.float64)
    new_size = torch.tensor([width, height], dtype=torch.float64)
    torch.testing.assert_close(after / new_size, before / size, rtol=1e-5, atol=1e-6)
    assert (resized.width, resized.height) == (width, height)


@given(cameras(), st.integers(0, 9), st.integers(0, 9), seeds)
def test_cropping_moves_places_by_its_corner(camera: Camera, left: int, top: int, seed: int) -> None:
    cropped = camera.cropped(left, top, left + 5, top + 7)
    assert (cropped.width, cropped.height) == (5, 7)
    before, after = camera.project(points(seed))[0], cropped.project(points(seed))[0]
    torch.testing.assert_close(after, before - torch.tensor([left, top]).to(before))


@given(cameras(), azimuths, elevations, st.tuples(coordinates, coordinates, coordinates))
def test_an_orbit_keeps_its_target_where_it_is_in_the_picture(
    camera: Camera, azimuth_deg: float, elevation_deg: float, at: tuple[float, float, float]
) -> None:
    target = torch.tensor(at, dtype=torch.float64)
    swung = camera.orbited(azimuth_deg, elevation_deg, target)
    in_camera = [c.world_to_camera[:3, :3] @ target + c.world_to_camera[:3, 3] for c in (camera, swung)]
    torch.testing.assert_close(in_camera[1], in_camera[0], rtol=0, atol=1e-9)
    torch.testing.assert_close((swung.center - target).norm(), (camera.center - target).norm())
    R = swung.world_to_camera[:3, :3]
    torch.testing.assert_close(R @ R.T, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-9)


@given(azimuths, elevations)
def test_an_orbit_from_the_front_stands_where_it_is_named(azimuth_deg: float, elevation_deg: float) -> None:
    """Azimuth to the person's left, x > 0; elevation up, y > 0."""
    front = frontal_camera(2.0, 100.0, 64, 48).to("cpu", torch.float64)
    found = front.orbited(azimuth_deg, elevation_deg).azimuth_elevation_deg
    assert found == pytest.approx((azimuth_deg, elevation_deg), abs=1e-6)


def test_where_named_orbits_stand() -> None:
    front = frontal_camera(2.0, 100.0, 64, 48)
    for azimuth_deg, elevation_deg, center in [
        (0, 0, [0, 0, 2]),
        (90, 0, [2, 0, 0]),
        (-90, 0, [-2, 0, 0]),
        (180, 0, [0, 0, -2]),
        (0, 45, [0, math.sqrt(2), math.sqrt(2)]),
    ]:
        swung = front.orbited(azimuth_deg, elevation_deg)
        assert swung.center.tolist() == pytest.approx(center, abs=1e-6)


@given(azimuths, azimuths)
def test_swinging_twice_adds_up(first: float, then: float) -> None:
    front = frontal_camera(2.0, 100.0, 64, 48).to("cpu", torch.float64)
    twice, once = front.orbited(first).orbited(then), front.orbited(first + then)
    torch.testing.assert_close(twice.world_to_camera, once.world_to_camera, rtol=0, atol=1e-9)


def test_a_frontal_camera_sees_the_persons_left_on_the_right_and_up_above() -> None:
    target = torch.tensor([0.01, 0.02, 0.03])
    camera = frontal_camera(1.5, 300.0, 64, 48, target)
    steps = torch.eye(3) * 0.1
    pixels, depth = camera.project(torch.cat([target[None], target + steps]))
    assert pixels[0].tolist() == pytest.approx([32, 24]) and float(depth[0]) == pytest.approx(1.5)
    assert pixels[1, 0] > 32 and pixels[2, 1] < 24 and depth[3] < 1.5
    torch.testing.assert_close(camera.world_to_camera[:3, :3].double(), FACING_THE_HEAD)


def test_points_behind_have_depth_below_zero() -> None:
    _, depth = frontal_camera(1.0, 100.0, 9, 9).project(torch.tensor([[0.0, 0.0, 2.0]]))
    assert float(depth) == -1


def test_the_type_of_the_numbers_follows() -> None:
    camera = frontal_camera(1.0, 100.0, 9, 9).to("cpu", torch.float64)
    assert camera.K.dtype == camera.orbited(10).K.dtype == camera.resized(3, 3).K.dtype == torch.float64


@pytest.mark.parametrize(
    ("K", "pose", "width", "message"),
    [
        (torch.eye(4), torch.eye(4), 9, r"K must have shape \(3, 3\), found \(4, 4\)"),
        (torch.eye(3), torch.eye(3), 9, r"world_to_camera must have shape \(4, 4\), found \(3, 3\)"),
        (torch.eye(3), torch.eye(4), 0, "a camera needs at least 1×1 pixels, found 0×9"),
    ],
)
def test_what_is_no_camera(K: torch.Tensor, pose: torch.Tensor, width: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Camera(K, pose, width, 9)
