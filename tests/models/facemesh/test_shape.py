import numpy as np
import pytest

from fastavatar.geometry import Array, unit_vectors
from fastavatar.head import ARKIT_NAMES, load_head
from fastavatar.models.facemesh.shape import person_of, pulled_to_landmarks
from fastavatar.models.facemesh.template import FACE, TORSO, load_template

LANDMARKS = 468
HEAD = load_head()
MEAN = HEAD.mean


def someones_offsets(seed: int) -> Array:
    """To the landmarks of a face wider or narrower, longer or shorter, with a smooth asymmetry."""
    rng = np.random.default_rng(seed)
    places = HEAD.places.at(MEAN)[:LANDMARKS]
    x, y, _ = places.T
    wavy = 0.003 * np.stack([np.sin(30 * y), np.sin(25 * x), np.cos(20 * x + 1)], 1) * rng.normal(size=3)
    return np.asarray(places * rng.uniform(-0.03, 0.03, 3) + wavy)


def part(name: str, vertices: Array) -> Array:
    return np.asarray(vertices[np.unique(HEAD.faces[HEAD.part(name)])])


def test_without_offsets_hardly_anything_moves() -> None:
    pulled = pulled_to_landmarks(MEAN, np.zeros((LANDMARKS, 3)))
    assert (np.linalg.norm(pulled - MEAN, axis=1) > 1e-9).sum() < 50, "only lids that touch an eye move"


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_come_to_where_the_photo_shows_them(seed: int) -> None:
    offsets = someones_offsets(seed)
    moved = HEAD.places.at(pulled_to_landmarks(MEAN, offsets))[:LANDMARKS] - HEAD.places.at(MEAN)[:LANDMARKS]
    left = np.linalg.norm(moved - offsets, axis=1)
    assert (
        np.median(left) < 0.2 * np.median(np.linalg.norm(offsets, axis=1)) and np.quantile(left, 0.95) < 0.002
    )


@pytest.mark.parametrize("name", ["left_eye", "upper_teeth", "tongue"])
def test_eyes_and_teeth_keep_their_shape(name: str) -> None:
    pulled = pulled_to_landmarks(MEAN, someones_offsets(1))
    moves = part(name, pulled) - part(name, MEAN)
    assert np.ptp(moves, axis=0).max() < 1e-9 < np.linalg.norm(moves[0])


@pytest.mark.parametrize("seed", range(3))
def test_lids_lie_on_the_eyes(seed: int) -> None:
    """Of the skin none lies inside of an eyeball, not even when it is pushed there."""
    pushed = someones_offsets(seed) - [0, 0, 0.004]
    vertices = pulled_to_landmarks(MEAN, pushed)
    skin = vertices[load_template().region == FACE]
    for name in ("left_eye", "right_eye"):
        ball = part(name, vertices)
        center, radius = (ball.min(0) + ball.max(0)) / 2, np.ptp(ball, axis=0)[:2].mean() / 2
        assert np.linalg.norm(skin - center, axis=1).min() > radius


@pytest.mark.parametrize("seed", range(3))
def test_the_head_goes_on_smoothly_from_the_face(seed: int) -> None:
    """No edge is torn longer than the face itself was stretched, give or take; the torso stays."""
    template = load_template()
    vertices = pulled_to_landmarks(MEAN, someones_offsets(seed))
    start, end = template.edges.T
    before, after = (np.linalg.norm(v[start] - v[end], axis=1) for v in (MEAN, vertices))
    assert ((after < 1.6 * before + 0.004) & (after > 0.5 * before - 0.004)).all()
    moved_m = np.linalg.norm(vertices - MEAN, axis=1)
    assert moved_m[template.region == TORSO].max() < 1e-4 < moved_m[template.region == FACE].max()


def test_a_person_has_an_identity_and_an_expression() -> None:
    identity, expression = np.zeros(len(HEAD.modes)), np.zeros(len(ARKIT_NAMES))
    np.testing.assert_allclose(person_of(identity, expression), MEAN)
    expression[ARKIT_NAMES.index("jawOpen")] = 1
    dropped = part("lower_teeth", MEAN) - part("lower_teeth", person_of(identity, expression))
    assert dropped[:, 1].mean() > 0.01
    assert unit_vectors(dropped)[:, 1].min() > 0.5
