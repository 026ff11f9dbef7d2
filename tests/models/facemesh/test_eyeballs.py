import numpy as np
import pytest
from numpy.typing import NDArray

from fastavatar.geometry import Array, vertex_normals
from fastavatar.models.facemesh.dressing import dress
from fastavatar.models.facemesh.eyeballs import LID_M, RADIUS_M, eyeball_center, seat_eyeballs, with_flat_eyes
from fastavatar.models.facemesh.landmarks import EYE_RINGS
from fastavatar.models.facemesh.shape import pulled_to_landmarks
from fastavatar.models.facemesh.surface import surface_points
from fastavatar.models.facemesh.template import LANDMARKS, load_template
from tests.models.facemesh.heads import NOTHING, portraits_head

FLIP = np.array([-1.0, 1, 1])
LEFT = 473


def someones_head(seed: int) -> Array:
    """Vertices (V, 3) fitted to average landmarks made wider or narrower, with a smooth asymmetry."""
    template, rng = load_template(), np.random.default_rng(seed)
    landmarks = template.vertices[:LANDMARKS] * rng.uniform(0.94, 1.06, 3)
    x, y, _ = landmarks.T
    wave = np.stack([np.sin(30 * y), np.sin(25 * x), np.cos(20 * x + 1)], 1)
    return pulled_to_landmarks(template.vertices, landmarks + 0.002 * wave * rng.normal(size=3))


def with_lids(vertices: Array, opening: float) -> Array:
    """The head with the lids of both eyes drawn towards their rim's middle, to a share of their opening."""
    shut = vertices.copy()
    for iris, ring in EYE_RINGS.items():
        rim = shut[list(ring)]
        rim[:, 1] = rim[:, 1].mean() + opening * (rim[:, 1] - rim[:, 1].mean())
        shut[list(ring)], shut[iris, :2] = rim, rim.mean(0)[:2]
    return shut


def seated(vertices: Array) -> tuple[Array, Array]:
    points, flat = surface_points(fine_eyes=True), with_flat_eyes(vertices)
    normals = points.at(vertex_normals(flat, load_template().faces))
    return seat_eyeballs(points, flat, points.at(flat), normals)


def between_lids(iris: int) -> NDArray[np.bool_]:
    return np.asarray((surface_points(fine_eyes=True).corners == iris).any(1))


@pytest.mark.parametrize("seed", range(4))
def test_between_the_lids_points_lie_on_a_ball_or_in_a_corner_before_it(seed: int) -> None:
    vertices = someones_head(seed)
    means, normals = seated(vertices)
    for iris, ring in EYE_RINGS.items():
        rim = vertices[list(ring)]
        center, inside = eyeball_center(rim), between_lids(iris)
        out = means[inside] - center
        distance = np.linalg.norm(out, axis=1)
        on_ball = np.isclose(distance, RADIUS_M, rtol=0, atol=1e-12)
        assert on_ball.mean() > 0.6
        assert (distance >= RADIUS_M - 1e-9).all()
        np.testing.assert_allclose(normals[inside][on_ball], out[on_ball] / RADIUS_M, atol=1e-9)
        pupil = np.linalg.norm((means[inside] - rim.mean(0))[:, :2], axis=1) < 0.003
        assert pupil.sum() > 20 and on_ball[pupil].all()


@pytest.mark.parametrize("seed", range(4))
def test_nothing_else_moves(seed: int) -> None:
    vertices, points = someones_head(seed), surface_points(fine_eyes=True)
    given_vertices = vertices.copy()
    means, _ = seated(vertices)
    np.testing.assert_array_equal(vertices, given_vertices)  # the caller's array is left alone
    elsewhere = ~np.any([between_lids(iris) for iris in EYE_RINGS], 0)
    np.testing.assert_array_equal(means[elsewhere], points.at(vertices)[elsewhere])
    flat = points.at(with_flat_eyes(vertices))
    np.testing.assert_array_equal(means[:, :2], flat[:, :2])
    forward = (means - flat)[:, 2]
    assert (forward >= 0).all() and 0.001 < forward.max() < 0.006


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_head_has_mirrored_eyeballs(seed: int) -> None:
    template, points, vertices = load_template(), surface_points(fine_eyes=True), someones_head(seed)
    vertices = with_flat_eyes(vertices)
    mirrored_vertices = vertices[template.mirror] * FLIP
    none = np.zeros((len(points.corners), 3))
    straight = seat_eyeballs(points, vertices, points.at(vertices), none)
    mirrored = seat_eyeballs(points, mirrored_vertices, points.at(mirrored_vertices), none)
    for one, other in zip(straight, mirrored, strict=True):
        np.testing.assert_allclose(other, one[points.mirror] * FLIP, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_lids_on_a_ball_determine_its_place(seed: int) -> None:
    """Lids laid about a ball give its centre back, as far as the prior lets go."""
    rim = someones_head(seed)[list(EYE_RINGS[LEFT])]
    center = eyeball_center(rim)
    on_ball = center + (RADIUS_M + LID_M) * (rim - center) / np.linalg.norm(
        rim - center, axis=1, keepdims=True
    )
    assert np.linalg.norm(eyeball_center(on_ball) - center) < 0.0015
    moved = np.array([0.1, -0.2, 0.3])
    np.testing.assert_allclose(eyeball_center(rim + moved), center + moved, atol=1e-9)


def test_a_photo_from_any_side_keeps_the_ball_behind_its_lids() -> None:
    """Landmarks of a hidden eye are guesses: whatever they are, the ball stays where a head can have it."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        rim = load_template().vertices[list(EYE_RINGS[LEFT])] + 0.003 * rng.normal(size=(16, 3))
        offset = eyeball_center(rim) - rim.mean(0)
        assert np.abs(offset[:2]).max() < 0.006 and -0.014 < offset[2] < -0.004


def test_closed_eyes_stay_as_they_are() -> None:
    vertices = with_lids(load_template().vertices, 0.15)
    means, _ = seated(vertices)
    np.testing.assert_array_equal(means, surface_points(fine_eyes=True).at(vertices))
    half_open = with_lids(load_template().vertices, 0.5)
    assert np.abs(seated(half_open)[0] - surface_points(fine_eyes=True).at(half_open)).max() > 5e-4


def test_a_dressed_head_has_both_eyeballs() -> None:
    vertices, view = portraits_head()
    head = dress(vertices, NOTHING, None, [view])
    means, corners = head.gaussians.means.double().numpy(), head.binding.corners.numpy()
    for iris, ring in EYE_RINGS.items():
        between = (corners == iris).any(1)
        distance = np.linalg.norm(means[between] - eyeball_center(vertices[list(ring)]), axis=1)
        on_ball = np.abs(distance - RADIUS_M) < 1e-6
        assert on_ball.sum() > 40 and distance.min() > RADIUS_M - 1e-6
