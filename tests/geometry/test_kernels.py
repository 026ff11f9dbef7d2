import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.geometry import spread_offsets, wendland_c2


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
