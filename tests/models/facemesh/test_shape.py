import numpy as np
import pytest

from fastavatar.geometry import Array
from fastavatar.models.facemesh.shape import pulled_to_landmarks
from fastavatar.models.facemesh.template import LANDMARKS, TORSO, load_template

IRIS_CENTERS = (468, 473)
DRAWN = np.setdiff1d(np.arange(LANDMARKS), IRIS_CENTERS)


def own_landmarks() -> Array:
    return load_template().vertices[:LANDMARKS].copy()


def someones_landmarks(seed: int) -> Array:
    """Average landmarks made wider or narrower, longer or shorter, with a smooth asymmetry."""
    rng = np.random.default_rng(seed)
    points = own_landmarks() * rng.uniform(0.97, 1.03, 3)
    x, y, _ = points.T
    return points + 0.004 * np.stack([np.sin(30 * y), np.sin(25 * x), np.cos(20 * x + 1)], 1) * rng.normal(
        size=3
    )


def test_the_templates_own_landmarks_give_the_template() -> None:
    template = load_template()
    np.testing.assert_allclose(
        pulled_to_landmarks(template.vertices, own_landmarks()), template.vertices, atol=2e-4
    )


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_stay_where_they_are(seed: int) -> None:
    """Except the iris centres, which stand out from the rim of the eye."""
    landmarks = someones_landmarks(seed)
    given_landmarks = landmarks.copy()
    vertices = pulled_to_landmarks(load_template().vertices, landmarks)
    np.testing.assert_array_equal(vertices[DRAWN], given_landmarks[DRAWN])
    np.testing.assert_array_equal(landmarks, given_landmarks)  # the caller's array is left alone
    for center in IRIS_CENTERS:
        assert np.linalg.norm(vertices[center] - given_landmarks[center]) < 0.015


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_face_has_a_mirrored_head(seed: int) -> None:
    template = load_template()
    flip = np.array([-1.0, 1, 1])
    landmarks = someones_landmarks(seed)
    mirrored = pulled_to_landmarks(template.vertices, landmarks[template.mirror[:LANDMARKS]] * flip)
    straight = pulled_to_landmarks(template.vertices, landmarks)
    np.testing.assert_allclose(mirrored, straight[template.mirror] * flip, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_skull_goes_on_smoothly_from_the_face(seed: int) -> None:
    """No edge of the mesh is torn longer than the face itself was stretched, give or take."""
    template = load_template()
    vertices = pulled_to_landmarks(template.vertices, someones_landmarks(seed))
    edges = np.concatenate([template.faces[:, [0, 1]], template.faces[:, [1, 2]]])
    edges = edges[~np.isin(edges, IRIS_CENTERS).any(1)]
    before, after = (
        np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=1) for v in (template.vertices, vertices)
    )
    assert ((after < 1.6 * before + 0.004) & (after > 0.5 * before - 0.004)).all()


def test_far_from_the_face_the_shape_stays() -> None:
    template = load_template()
    moved_m = np.linalg.norm(
        pulled_to_landmarks(template.vertices, someones_landmarks(0)) - template.vertices, axis=1
    )
    assert moved_m[template.region == TORSO].max() < 1e-4 < moved_m[:LANDMARKS].max()
