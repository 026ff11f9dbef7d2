import numpy as np
from scipy.sparse import csr_matrix

from fastavatar.geometry import Array
from fastavatar.surfaces.blending import blend

COUNT = 400


def strip() -> csr_matrix:
    """A row of points, each linked to the next."""
    here = np.arange(COUNT - 1)
    links = csr_matrix((np.ones(COUNT - 1), (here, here + 1)), (COUNT, COUNT))
    return (links + links.T).tocsr()


def true_colors() -> Array:
    rng = np.random.default_rng(1)
    return (
        0.5 + 0.1 * np.sin(np.arange(COUNT)[:, None] / [3.0, 5.0, 7.0]) + rng.uniform(-0.05, 0.05, (COUNT, 3))
    )


def facing_both() -> Array:
    """One picture sees the first two thirds, ever less squarely; the other the last two thirds."""
    first = np.where(np.arange(COUNT) < 267, np.linspace(1, 0.3, COUNT), 0)
    return np.stack([first, first[::-1]])


def test_exposures_come_to_agree() -> None:
    exposure = np.array([[0.8, 0.9, 1.0], [1.1, 1.0, 0.9]])
    pictures = true_colors() * exposure[:, None]
    blended = blend(pictures, facing_both(), strip())
    middle = np.exp(np.log(exposure).mean(0))
    np.testing.assert_allclose(blended.gains, middle / exposure, rtol=1e-3)
    np.testing.assert_allclose(blended.colors, true_colors() * middle, atol=1e-3)
    assert blended.seen.all()


def test_each_point_is_from_the_picture_that_sees_it_best_and_seams_are_soft() -> None:
    shares = blend(np.stack([true_colors()] * 2), facing_both(), strip()).shares
    np.testing.assert_allclose(shares.sum(0), 1)
    assert shares[0, :150].min() == 1 and shares[1, 250:].min() == 1
    seam = shares[0, 190:210]
    assert (
        (np.diff(seam) <= 0).all() and (np.abs(np.diff(seam)) < 0.25).all() and seam[0] > 0.9 > 0.1 > seam[-1]
    )


def test_the_sharper_picture_counts_more() -> None:
    sharp = true_colors()
    blurred = sharp.copy()
    for _ in range(6):
        blurred[1:-1] = (blurred[:-2] + blurred[1:-1] + blurred[2:]) / 3
    shares = blend(np.stack([blurred, sharp]), np.stack([np.full(COUNT, 0.7)] * 2), strip()).shares
    assert shares[1].min() == 1


def test_points_that_no_picture_sees_are_marked() -> None:
    facing = facing_both()
    facing[:, 100:120] = 0
    blended = blend(np.stack([true_colors()] * 2), facing, strip())
    assert not blended.seen[100:120].any() and blended.seen[:100].all() and blended.seen[120:].all()


def test_one_picture_is_taken_as_it_is() -> None:
    blended = blend(true_colors()[None], np.full((1, COUNT), 0.5), strip())
    np.testing.assert_array_equal(blended.colors, true_colors())
    np.testing.assert_array_equal(blended.gains, np.ones((1, 3)))
