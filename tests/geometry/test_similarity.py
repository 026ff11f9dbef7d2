import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fastavatar.geometry import Array, Similarity, fit_similarity

angles = st.floats(-np.pi, np.pi)
rotations = st.tuples(angles, angles, angles).map(lambda a: Rotation.from_euler("xyz", a).as_matrix())
vectors = st.tuples(*[st.floats(-2, 2)] * 3).map(np.array)


@given(rotations, vectors, st.floats(0.1, 5), st.integers(0, 9))
def test_alignment_finds_a_known_similarity(rotation: Array, offset: Array, scale: float, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3))
    found = fit_similarity(points, scale * points @ rotation.T + offset)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-6)
    np.testing.assert_allclose(found.translation, offset, atol=1e-6)
    assert found.scale == pytest.approx(scale)


@given(st.integers(0, 10_000))
def test_alignment_never_mirrors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(10, 3))
    scale, rotation, _ = fit_similarity(points, points * [-1, 1, 1] + 0.1 * rng.normal(size=(10, 3)))
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert scale > 0


@given(rotations, vectors, st.integers(0, 100))
def test_no_other_similarity_fits_better(rotation: Array, offset: Array, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(2, 9, 3))

    def error(scale: float, turn: Array, move: Array) -> float:
        return float(((scale * source @ turn.T + move - target) ** 2).sum())

    best = fit_similarity(source, target)
    least = error(*best) - 1e-9
    nearby = Rotation.from_rotvec(1e-2 * rng.normal(size=3)).as_matrix() @ best.rotation
    assert least <= error(best.scale, rotation, offset)
    assert least <= error(best.scale, nearby, best.translation)
    assert least <= error(best.scale * 1.01, best.rotation, best.translation + 1e-2 * rng.normal(size=3))


def test_apply_scales_then_rotates_then_shifts() -> None:
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = Similarity(2.0, quarter, np.array([0.0, 0, 5])).apply(np.array([[1.0, 0, 0]]))
    np.testing.assert_allclose(moved, [[0, 2, 5]])
