import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from fastavatar.images.matting import guided_filter, matte, without_background

Picture = NDArray[np.float32]
SIZE_PX = 64
FRONT, BEHIND = np.array([0.2, 0.15, 0.1], np.float32), np.array([0.7, 0.75, 0.9], np.float32)
COLUMN = np.tile(np.arange(SIZE_PX, dtype=np.float32), (SIZE_PX, 1))


def blended(alpha: Picture, behind: Picture = BEHIND) -> Picture:
    """The foreground's colour laid over the background's."""
    share = alpha[..., None]
    return (share * FRONT + (1 - share) * behind).astype(np.float32)


def test_the_guided_filter_keeps_a_constant_and_follows_the_guides_edge() -> None:
    guide = blended((COLUMN < 30).astype(np.float32))
    constant = np.full((SIZE_PX, SIZE_PX, 2), 0.3, np.float32)
    np.testing.assert_allclose(guided_filter(guide, constant, 5), constant, atol=1e-4)
    # a mask blurred over ten pixels becomes as sharp as the picture
    coarse = gaussian_filter((COLUMN < 32).astype(np.float32), 4)[..., None]
    found = guided_filter(guide, coarse, 8)[..., 0]
    inner = np.s_[:, 20:40]
    assert (
        np.abs(found - (COLUMN < 30))[inner].max() < 0.4 < np.abs(coarse[..., 0] - (COLUMN < 30))[inner].max()
    )
    assert found[:, 29].min() - found[:, 30].max() > 0.5


def test_without_edges_the_guided_filter_is_a_mean() -> None:
    plain = np.full((SIZE_PX, SIZE_PX, 3), 0.5, np.float32)
    values = np.zeros((SIZE_PX, SIZE_PX, 1), np.float32)
    values[32, 32] = 1
    found = guided_filter(plain, values, 2)
    assert found.sum() == pytest.approx(1, abs=1e-3) and found.max() < 0.05


def test_a_known_blend_of_two_colours_is_taken_apart() -> None:
    """The mask is certain far from the edge only; the picture says the rest."""
    alpha = np.clip((36 - COLUMN) / 8, 0, 1).astype(np.float32)
    coarse = np.clip((42 - COLUMN) / 24, 0, 1).astype(np.float32)
    found, clean = matte(blended(alpha), coarse, 6.0)
    assert np.abs(coarse - alpha).max() > 0.2 and np.abs(found - alpha).max() < 0.08
    person = alpha > 0.4
    np.testing.assert_allclose(clean[person], np.broadcast_to(FRONT, clean.shape)[person], atol=0.05)


def test_without_contrast_the_coverage_stays() -> None:
    coarse = np.clip((42 - COLUMN) / 24, 0, 1).astype(np.float32)
    found, _ = matte(blended(coarse, FRONT), coarse, 6.0)
    np.testing.assert_allclose(found, coarse, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_a_picture_with_no_edge_of_a_person_stays(value: float) -> None:
    rgb = np.random.default_rng(0).random((SIZE_PX, SIZE_PX, 3)).astype(np.float32)
    coverage = np.full((SIZE_PX, SIZE_PX), value, np.float32)
    found, clean = matte(rgb, coverage, 4.0)
    np.testing.assert_array_equal(found, coverage)
    assert np.isfinite(clean).all() and (value != 1 or (clean == rgb).all())


def test_where_the_person_is_whole_the_picture_stays() -> None:
    alpha = np.clip((36 - COLUMN) / 8, 0, 1).astype(np.float32)
    rgb = blended(alpha)
    clean = without_background(rgb, alpha, 6.0)
    np.testing.assert_array_equal(clean[alpha > 0.98], rgb[alpha > 0.98])
    edge = (alpha > 0.3) & (alpha < 0.9)
    assert np.abs(clean[edge] - FRONT).max() < 0.25 * np.abs(rgb[edge] - FRONT).max()
