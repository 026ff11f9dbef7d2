import numpy as np
from scipy.sparse import csr_matrix

from fastavatar.geometry import diffused, row_mean

LINE = csr_matrix(np.diag(np.ones(4), 1) + np.diag(np.ones(4), -1))  # five points in a row


def test_a_mean_keeps_what_is_the_same_everywhere_and_knows_nothing_without_neighbours() -> None:
    lonely = csr_matrix(LINE.toarray() * [[1], [1], [1], [1], [0]])
    np.testing.assert_allclose(row_mean(lonely) @ np.full(5, 3.0), [3, 3, 3, 3, 0])


def test_a_step_goes_half_way() -> None:
    values = np.array([0.0, 0, 8, 0, 0])
    np.testing.assert_allclose(diffused(values, row_mean(LINE), 1), [0, 2, 4, 2, 0])
    np.testing.assert_array_equal(diffused(values, row_mean(LINE), 0), values)
    np.testing.assert_allclose(diffused(values, row_mean(LINE), 200), np.full(5, 2.0), atol=1e-6)
