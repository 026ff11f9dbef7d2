import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fastavatar.geometry import (
    Array,
    Similarity,
    fit_similarity,
    fit_upright_similarity,
    inside_polygon,
    spread_offsets,
    wendland_c2,
)


def from_angles(angles: tuple[float, float, float]) -> Array:
    return np.asarray(Rotation.from_euler("xyz", angles).as_matrix())


angles, leans = st.floats(-np.pi, np.pi), st.floats(-0.5, 0.5)
rotations = st.tuples(angles, angles, angles).map(from_angles)
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


@given(st.floats(-3, 3), vectors, st.floats(0.1, 5), st.integers(0, 10_000))
def test_upright_alignment_finds_a_turn_about_the_vertical(
    angle: float, offset: Array, scale: float, seed: int
) -> None:
    points, turn = (
        np.random.default_rng(seed).normal(size=(12, 3)),
        Rotation.from_euler("y", angle).as_matrix(),
    )
    found = fit_upright_similarity(points, scale * points @ turn.T + offset)
    np.testing.assert_allclose(found.rotation, turn, atol=1e-6)
    np.testing.assert_allclose(found.translation, offset, atol=1e-6)
    assert found.scale == pytest.approx(scale)


@given(st.tuples(leans, angles, leans).map(from_angles), st.integers(0, 10_000))
def test_upright_alignment_turns_about_nothing_else_and_is_the_best_such(rotation: Array, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(9, 3))
    target = source @ rotation.T + 0.1 * rng.normal(size=(9, 3))
    best = fit_upright_similarity(source, target)
    np.testing.assert_allclose(best.rotation[1], [0, 1, 0], atol=1e-12)
    least = ((best.apply(source) - target) ** 2).sum()
    for degrees in (-2, 2):
        turned = Rotation.from_euler("y", degrees, degrees=True).as_matrix() @ best.rotation
        at = best.scale * source @ turned.T
        assert least <= ((at - at.mean(0) + target.mean(0) - target) ** 2).sum() + 1e-9


def test_apply_scales_then_rotates_then_shifts() -> None:
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = Similarity(2.0, quarter, np.array([0.0, 0, 5])).apply(np.array([[1.0, 0, 0]]))
    np.testing.assert_allclose(moved, [[0, 2, 5]])


def test_the_kernel_is_one_at_its_centre_and_zero_from_its_radius_on() -> None:
    np.testing.assert_allclose(wendland_c2(np.array([0.0, 0.5, 1.0, 7.0]), 1.0), [1, 0.5**4 * 3, 0, 0])
    np.testing.assert_allclose(wendland_c2(np.array([1.0]), 2.0), [0.5**4 * 3])


@given(st.integers(0, 10_000))
def test_known_offsets_are_met_at_the_anchors_and_vanish_beyond_the_radius(seed: int) -> None:
    rng = np.random.default_rng(seed)
    anchors, offsets = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    far = anchors + [100.0, 0, 0]
    found = spread_offsets(np.concatenate([anchors, far]), anchors, offsets, 2.0, 1e-9)
    np.testing.assert_allclose(found[:8], offsets, atol=1e-4)
    assert (found[8:] == 0).all()


def test_a_ridge_shrinks_offsets() -> None:
    anchor, offset = np.zeros((1, 3)), np.array([[1.0, 0, 0]])
    found = spread_offsets(anchor, anchor, offset, 1.0, 1.0)
    assert found[0, 0] == pytest.approx(0.5)


def test_inside_is_what_a_loop_encloses() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    points = np.array([[0.5, 0.5], [0.1, 0.9], [1.1, 0.5], [0.5, -0.2], [-1, 0.5]])
    assert inside_polygon(points, square).tolist() == [True, True, False, False, False]
    assert inside_polygon(points, square[::-1]).tolist() == [True, True, False, False, False]
