"""What people are drawn from: colours, places, hair and light, without a renderer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Similarity
from fastavatar.head import load_head
from fastavatar.train.people import (
    POINTS,
    Noise,
    carried,
    encoded,
    head_canvas,
    linear,
    paint,
    place_cameras,
    points_on,
    sample_expression,
    sample_light,
    sample_person,
    shirt_cloth,
    skin_lab,
    without_fireflies,
)


@given(st.floats(-60, 65))
def test_skin_has_the_typology_angle_that_was_asked_for(ita: float) -> None:
    lightness, _, b = skin_lab(ita)
    assert np.degrees(np.arctan((lightness - 50) / b)) == pytest.approx(ita, abs=1e-6)
    assert 25 < lightness < 80


def test_one_seed_and_number_give_one_person_and_others_give_others() -> None:
    first, again, other = sample_person(3, 7), sample_person(3, 7), sample_person(3, 8)
    assert np.array_equal(first.identity, again.identity) and first.skin == again.skin
    assert not np.array_equal(first.identity, other.identity)
    assert np.array_equal(sample_expression(3, 7, 1)[0], sample_expression(3, 7, 1)[0])


def test_a_hundred_people_have_all_tones_cuts_and_beards_and_the_heads_spread() -> None:
    people = [sample_person(0, number) for number in range(100)]
    tones = [person.skin.ita_deg for person in people]
    assert min(tones) < -45 and max(tones) > 50
    assert len({person.hair.cut for person in people}) == 7
    assert 15 < sum(person.hair.beard_m > 0 for person in people) < 60
    spread = np.stack([person.identity for person in people]).std()
    assert spread == pytest.approx(0.97, abs=0.05)  # of a normal distribution cut at 2.2 deviations


def test_points_are_as_many_as_nersembles_and_lie_on_the_head_in_one_order() -> None:
    head = load_head()
    average = points_on(head.mean)
    assert average.shape == (POINTS, 3) == (10_144, 3)
    assert np.allclose(points_on(head.mean + [1, 2, 3]), average + [1, 2, 3])
    distances, _ = head.mesh().nearest(torch.from_numpy(average))
    assert float(distances.max()) < 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_light_shows_a_white_card_about_as_bright_whatever_it_is(seed: int) -> None:
    light = sample_light(np.random.default_rng(seed), [])
    rows, columns = light.shape[:2]
    down, turn = np.pi * (np.arange(rows) + 0.5) / rows, 2 * np.pi * (np.arange(columns) + 0.5) / columns
    front = -np.cos(turn)[None] * np.sin(down)[:, None]
    area = 2 * np.pi**2 / (rows * columns) * np.sin(down)[:, None]
    shown = (light * (np.maximum(front, 0) * area / np.pi)[..., None]).sum((0, 1)).mean()
    assert 0.5 < shown < 1.6 and light.min() >= 0


def test_cameras_stand_as_nersembles_do() -> None:
    cameras = place_cameras("nersemble", 16, (550, 802), np.random.default_rng(0))
    places = np.array([camera.azimuth_elevation_deg for camera in cameras])
    assert 44 < places[:, 0].max() < 50 and -50 < places[:, 0].min() < -44
    assert 9 < places[:, 1].max() < 18 and -20 < places[:, 1].min() < -12
    assert float(cameras[0].K[0, 0]) == pytest.approx(2048)
    around = place_cameras("circle", 8, (64, 64), np.random.default_rng(0))
    assert np.ptp([camera.azimuth_elevation_deg[0] for camera in around]) > 250


def test_a_shirt_lies_outside_the_torso_and_below_the_chin() -> None:
    head, person = load_head(), sample_person(0, 1)
    cloth = shirt_cloth(person.shirt, head.mean, np.random.default_rng(0))
    assert cloth.faces.max() < len(cloth.vertices)
    assert cloth.vertices[:, 1].max() < head.mean[head.region("jaw"), 1].max()


def test_a_single_bright_pixel_is_held_to_its_neighbours() -> None:
    flat = np.full((5, 5, 4), 0.5)
    bright = flat.copy()
    bright[2, 2, :3] = 90
    assert np.array_equal(without_fireflies(bright), flat)


def test_noise_has_unit_variance_and_is_smooth_over_its_grain() -> None:
    places = np.random.default_rng(0).uniform(0, 1, (20_000, 3))
    noise = Noise(np.random.default_rng(1)).at(places, 0.05)
    assert noise.std() == pytest.approx(1, abs=0.1)
    near = Noise(np.random.default_rng(1)).at(places + 0.0005, 0.05)
    assert np.abs(near - noise).max() < 0.2


def test_teeth_are_light_and_the_tongue_is_red() -> None:
    canvas, names = head_canvas(256), load_head().part_names
    colors, relief = paint(sample_person(0, 0), canvas, np.random.default_rng(0))
    assert colors.min() >= 0 and colors.max() <= 1 and np.abs(relief).max() < 0.001
    assert colors[canvas.parts == names.index("upper_teeth")].mean() > 0.4
    red, green, _ = colors[canvas.parts == names.index("tongue")].mean(0)
    assert red > 1.5 * green > 0.1


@given(st.floats(0, 1))
def test_linear_undoes_encoded(value: float) -> None:
    assert linear(encoded(np.array(value))) == pytest.approx(value, abs=1e-4)


def test_a_carried_camera_sees_what_moved_where_it_was() -> None:
    rotation = Rotation.from_rotvec([0.1, -0.2, 0.3]).as_matrix()
    motion = Similarity(1.0, rotation, np.array([0.02, 0.01, -0.03]))
    camera = place_cameras("nersemble", 3, (110, 160), np.random.default_rng(0))[0]
    places = np.random.default_rng(1).normal(scale=0.1, size=(20, 3))
    there, depth = carried(camera, motion).project(torch.from_numpy(motion.apply(places)).float())
    here, before = camera.project(torch.from_numpy(places).float())
    torch.testing.assert_close(there, here, atol=1e-3, rtol=0)
    torch.testing.assert_close(depth, before)
