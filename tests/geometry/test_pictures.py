import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fastavatar.geometry.pictures import mean_around

WHERE = np.zeros((90, 131), bool)
WHERE[10:80, 20:60] = WHERE[30:40, 60:120] = True
VALUES = np.where(WHERE, np.add.outer(np.arange(90.0), 2 * np.arange(131.0)), 1e6)


@pytest.mark.parametrize("sigma_px", [1.5, 12.0, 25.0])
def test_is_the_mean_weighted_by_a_gaussian_of_the_pixels_that_count(sigma_px: float) -> None:
    sums, weight = (
        gaussian_filter(one, sigma_px) for one in (np.where(WHERE, VALUES, 0), WHERE.astype(float))
    )
    mean = mean_around(VALUES, WHERE, sigma_px)
    np.testing.assert_allclose(mean[WHERE], sums[WHERE] / weight[WHERE], atol=0.01 * np.ptp(VALUES[WHERE]))
    assert not mean[~WHERE].any()


def test_without_pixels_that_count_there_is_no_mean() -> None:
    assert not mean_around(VALUES, np.zeros_like(WHERE), 10.0).any()
