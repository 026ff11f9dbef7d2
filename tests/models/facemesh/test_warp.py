import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastavatar.geometry import Array
from fastavatar.models.facemesh.template import LANDMARKS, load_template
from fastavatar.models.facemesh.warp import warp_to_landmarks

IRIS_CENTERS = (468, 473)
DRAWN = np.setdiff1d(np.arange(LANDMARKS), IRIS_CENTERS)


def own_landmarks() -> Array:
    return load_template().vertices[:LANDMARKS].copy()


def someones_landmarks(seed: int) -> Array:
    """Average landmarks made wider or narrower, longer or shorter, with a smooth asymmetry."""
    rng = np.random.default_rng(seed)
    points = own_landmarks() * rng.uniform(0.88, 1.12, 3)
    x, y, _ = points.T
    return points + 0.004 * np.stack([np.sin(30 * y), np.sin(25 * x), np.cos(20 * x + 1)], 1) * rng.normal(
        size=3
    )


def test_the_templates_own_landmarks_give_the_template() -> None:
    template = load_template()
    np.testing.assert_allclose(warp_to_landmarks(template, own_landmarks()), template.vertices, atol=2e-4)


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_stay_where_they_are(seed: int) -> None:
    """Except the iris centres, which stand out from the rim of the eye."""
    landmarks = someones_landmarks(seed)
    given_landmarks = landmarks.copy()
    vertices = warp_to_landmarks(load_template(), landmarks)
    np.testing.assert_array_equal(vertices[DRAWN], given_landmarks[DRAWN])
    np.testing.assert_array_equal(landmarks, given_landmarks)  # the caller's array is left alone
    for center in IRIS_CENTERS:
        assert np.linalg.norm(vertices[center] - given_landmarks[center]) < 0.015


@settings(max_examples=10)
@given(st.tuples(*[st.floats(-0.5, 0.5)] * 3))
def test_a_moved_face_moves_the_head(offset: tuple[float, float, float]) -> None:
    landmarks = someones_landmarks(1)
    moved = warp_to_landmarks(load_template(), landmarks + offset)
    np.testing.assert_allclose(moved, warp_to_landmarks(load_template(), landmarks) + offset, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_face_has_a_mirrored_head(seed: int) -> None:
    template = load_template()
    flip = np.array([-1.0, 1, 1])
    landmarks = someones_landmarks(seed)
    mirrored = warp_to_landmarks(template, landmarks[template.mirror[:LANDMARKS]] * flip)
    straight = warp_to_landmarks(template, landmarks)
    np.testing.assert_allclose(mirrored, straight[template.mirror] * flip, atol=1e-6)


@pytest.mark.parametrize("scale", [0.85, 1.15])
def test_a_larger_face_has_a_larger_head(scale: float) -> None:
    template = load_template()
    vertices = warp_to_landmarks(template, own_landmarks() * scale)
    np.testing.assert_allclose(
        np.ptp(vertices[LANDMARKS:], axis=0), scale * np.ptp(template.vertices[LANDMARKS:], axis=0), rtol=0.02
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_skull_goes_on_smoothly_from_the_face(seed: int) -> None:
    """No edge of the mesh is torn longer than the face itself was stretched, give or take."""
    template = load_template()
    vertices = warp_to_landmarks(template, someones_landmarks(seed))
    edges = np.concatenate([template.faces[:, [0, 1]], template.faces[:, [1, 2]]])
    edges = edges[~np.isin(edges, IRIS_CENTERS).any(1)]
    before, after = (
        np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=1) for v in (template.vertices, vertices)
    )
    assert ((after < 1.6 * before + 0.004) & (after > 0.5 * before - 0.004)).all()
