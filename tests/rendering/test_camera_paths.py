import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.core import frontal_camera
from fastavatar.errors import UsageError
from fastavatar.rendering.camera_paths import PATHS, cameras_along, path_angles

CENTER = torch.tensor([0.01, 0.04, -0.02])
paths = st.sampled_from(PATHS)


def test_the_turntable_goes_once_around_to_the_persons_left() -> None:
    np.testing.assert_allclose(path_angles("turntable", 4), [(0, 0), (90, 0), (180, 0), (270, 0)])
    start, left, back, right = cameras_along("turntable", 4, frontal_camera(1.0, 99.0, 8, 8, CENTER), CENTER)
    for camera, from_center in zip(
        (start, left, back, right), [(0, 0, 1), (1, 0, 0), (0, 0, -1), (-1, 0, 0)], strict=True
    ):
        assert (camera.center - CENTER).tolist() == pytest.approx(from_center, abs=1e-5)


def test_swaying_stays_before_the_face() -> None:
    azimuths = [azimuth for azimuth, _ in path_angles("sway", 40)]
    assert azimuths[0] == 0 and max(azimuths) == pytest.approx(35) and min(azimuths) == pytest.approx(-35)
    assert {elevation for _, elevation in path_angles("sway", 40)} == {0.0}


def test_the_orbit_is_a_circle() -> None:
    for azimuth, elevation in path_angles("orbit", 24):
        assert (azimuth / 25) ** 2 + (elevation / 12) ** 2 == pytest.approx(1)


@given(paths, st.integers(2, 200))
def test_every_path_is_a_loop_of_even_steps(path: str, frames: int) -> None:
    """Twice as many pictures include the same ones; every step, also that to the start, is small."""
    angles = path_angles(path, frames)
    np.testing.assert_allclose(path_angles(path, 2 * frames)[::2], angles, atol=1e-9)
    ends = [*angles[1:], angles[0] if path != "turntable" else (360.0, 0.0)]
    for here, there in zip(angles, ends, strict=True):
        assert max(abs(a - b) for a, b in zip(here, there, strict=True)) <= 360 / frames + 1e-9


@given(paths, st.floats(-60, 60), st.integers(1, 9))
def test_the_camera_keeps_its_distance_and_its_aim(path: str, elevation_deg: float, frames: int) -> None:
    camera = frontal_camera(1.3, 99.0, 64, 48, CENTER).to("cpu", torch.float64)
    for seen in cameras_along(path, frames, camera, CENTER.double(), elevation_deg):
        assert float((seen.center - CENTER).norm()) == pytest.approx(1.3)
        pixels, _ = seen.project(CENTER.double()[None])
        assert pixels[0].tolist() == pytest.approx([32, 24])
    first = cameras_along("turntable", 1, camera, CENTER.double(), elevation_deg)[0]
    height = torch.tensor(elevation_deg, dtype=torch.float64).deg2rad().sin() * 1.3
    assert float(first.center[1] - CENTER[1]) == pytest.approx(float(height))


def test_wrong_paths_are_refused() -> None:
    with pytest.raises(
        UsageError, match="there is no camera path 'helix'; choose one of turntable, sway, orbit"
    ):
        path_angles("helix", 3)
    with pytest.raises(UsageError, match="at least 1 picture, found 0"):
        path_angles("sway", 0)
