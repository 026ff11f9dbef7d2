import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.geometry import farthest_points


@given(st.integers(0, 10_000), st.integers(2, 20))
def test_chosen_points_are_distinct_and_cover_all(seed: int, count: int) -> None:
    points = np.random.default_rng(seed).normal(size=(60, 3))
    chosen = farthest_points(points, count)
    assert len(set(chosen.tolist())) == count and chosen[0] == 0
    apart = np.linalg.norm(points[chosen][:, None] - points[chosen][None], axis=2)
    least = apart[~np.eye(count, dtype=bool)].min()
    uncovered = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(1).max()
    assert uncovered <= least + 1e-9  # else the uncovered point would have been chosen


def test_on_a_line_the_ends_come_first() -> None:
    line = np.array([[0.0], [1], [2], [3], [4]])
    assert farthest_points(line, 3).tolist() == [0, 4, 2]
