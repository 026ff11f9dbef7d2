from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array
from fastavatar.head import (
    EXPRESSIONS,
    HeadFit,
    HeadShot,
    LandmarkView,
    Ties,
    fit_head,
    fit_tied_head,
    load_head,
    posed_points,
    tie_equations,
)

HEAD = load_head()
FOCAL_PX, CENTER_PX = 1000.0, (300.0, 310.0)
NEUTRAL = np.zeros(len(EXPRESSIONS))


def shot_at(yaw_deg: float) -> HeadShot:
    """A camera 1.1 m away that sees the head turned by a yaw."""
    rotation = np.diag([1.0, -1, -1]) @ Rotation.from_euler("y", yaw_deg, degrees=True).as_matrix()
    return HeadShot(rotation, np.array([0.0, 0.02, 1.1]), FOCAL_PX, NEUTRAL)


SHOTS = (shot_at(0), shot_at(-35))


def skin_ties(off_m: float = 0.0, count: int = 300) -> Ties:
    """Places of the average face's skin where both shots show them, `off_m` beside the head's surface."""
    random = np.random.default_rng(1)
    region = np.array(HEAD.region_names)[HEAD.regions]
    face = HEAD.faces[np.isin(region[HEAD.faces], ("face", "jaw")).all(1) & HEAD.part("skin")]
    corners = face[random.integers(len(face), size=count)]
    weights = random.dirichlet(np.ones(3), count)
    places = np.einsum("kc,kcx->kx", weights, HEAD.mean[corners])
    places = places + off_m * random.normal(size=places.shape)
    first, second = (shot.project(places, CENTER_PX) for shot in SHOTS)
    return Ties.of(HEAD, (0, 1), corners, weights, (first, second), np.tile(0.25 * np.eye(2), (count, 1, 1)))


def sliding_landmarks() -> list[LandmarkView]:
    """Landmarks of both shots; in the second one they lie as on a head that is turned by 5° more."""
    views = []
    for shot in (SHOTS[0], shot_at(-40)):
        pixels = shot.project(HEAD.places.at(HEAD.mean), CENTER_PX)
        flat = np.concatenate([pixels, np.zeros((len(pixels), 1))], 1)
        views.append(LandmarkView(flat, CENTER_PX, FOCAL_PX))
    return views


def miss_deg(fit: HeadFit) -> float:
    """By how much the turn between the two shots is wrong."""
    found, true = (second.rotation @ first.rotation.T for first, second in (fit.shots, SHOTS))
    return float(np.degrees(Rotation.from_matrix(found @ true.T).magnitude()))


def test_ties_correct_cameras_that_sliding_landmarks_mislead() -> None:
    landmarks = sliding_landmarks()
    start = fit_head(HEAD, landmarks)
    assert miss_deg(start) > 3
    assert miss_deg(fit_tied_head(HEAD, landmarks, start, [skin_ties(0.002)])) < 0.4 * miss_deg(start)


def test_true_cameras_leave_nothing_to_correct() -> None:
    residual, _ = tie_equations(skin_ties(), SHOTS, (CENTER_PX, CENTER_PX), np.zeros(len(HEAD.modes)))
    assert np.abs(residual).max() < 1e-6


def test_a_place_beside_the_surface_costs_less_than_a_wrong_camera() -> None:
    """A place of skin may lie 4 mm off, in all directions: where both photos show it can be explained so."""
    none = np.zeros(len(HEAD.modes))
    beside, _ = tie_equations(skin_ties(0.004), SHOTS, (CENTER_PX, CENTER_PX), none)
    turned = (SHOTS[0], SHOTS[1].moved(np.array([0.08, 0, 0, 0, 0, 0, 0])))
    wrong, _ = tie_equations(skin_ties(), turned, (CENTER_PX, CENTER_PX), none)
    assert 0.5 < np.sqrt((beside**2).mean()) < 1.1
    assert (wrong**2).sum() > 2 * (beside**2).sum()


@pytest.mark.parametrize("unknown", [0, 1, 3, 5, 6])
@pytest.mark.parametrize("photo", [0, 1])
def test_derivatives_are_those_of_small_steps(photo: int, unknown: int) -> None:
    ties, none = skin_ties(count=30), np.zeros(len(HEAD.modes))
    before, jacobian = tie_equations(ties, SHOTS, (CENTER_PX, CENTER_PX), none)
    step = np.zeros(7)
    step[unknown] = 1e-6
    moved = list(SHOTS)
    moved[photo] = moved[photo].moved(step)
    after, _ = tie_equations(ties, moved, (CENTER_PX, CENTER_PX), none)
    column = jacobian[:, photo * (7 + len(EXPRESSIONS)) + unknown]
    # A residual is what is found minus what is expected
    np.testing.assert_allclose((before - after) / 1e-6, column, atol=2e-3 * np.abs(column).max())


def test_points_move_in_the_picture_as_their_derivatives_say() -> None:
    points, shot = HEAD.places.at(HEAD.mean)[:5], SHOTS[1]
    none: Array = np.zeros((0, 5, 3))
    shown, by_point, by_unknown = posed_points(points, shot, CENTER_PX, none, none)
    np.testing.assert_allclose(shown, shot.project(points, CENTER_PX))
    up = shot.project(points + [0, 1e-6, 0], CENTER_PX)
    np.testing.assert_allclose((up - shown) / 1e-6, by_point[..., 1], rtol=1e-4, atol=1e-2)
    farther = replace(shot, shift=shot.shift + [0, 0, 1e-6]).project(points, CENTER_PX)
    np.testing.assert_allclose((farther - shown) / 1e-6, by_unknown[..., 5], rtol=1e-4, atol=1e-2)
