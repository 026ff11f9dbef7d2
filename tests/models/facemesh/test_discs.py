import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from fastavatar.core import Gaussians, decode_colors, frontal_camera
from fastavatar.models.facemesh.discs import even_discs, sharpened
from fastavatar.rendering import render
from tests.models.facemesh.heads import Mask, view_of

SIZE_PX = 48
CAMERA = frontal_camera(1.0, 1000, SIZE_PX, SIZE_PX, torch.zeros(3))
NOISE = gaussian_filter(np.random.default_rng(0).normal(size=(SIZE_PX, SIZE_PX, 3)), (1, 1, 0))
RGB: Mask = np.clip(0.5 + NOISE, 0, 1).astype(np.float32)
VIEW = view_of(np.ones((SIZE_PX, SIZE_PX), np.float32), CAMERA, RGB)
SOURCE = np.arange(SIZE_PX**2) % 2 - 1
"""Every other disc has its colour from the view."""
MOST = np.full(SIZE_PX**2, 0.5)
NO_GAIN = np.ones((1, 3))


@pytest.fixture(scope="module")
def discs() -> Gaussians:
    """One to each pixel, in its colour, in a plane before the camera."""
    y, x = (np.mgrid[:SIZE_PX, :SIZE_PX].reshape(2, -1) + 0.5 - SIZE_PX / 2) / 1000
    means = np.stack([x, -y, 0 * x], 1)
    facing = np.tile([0.0, 0, 1], (len(means), 1))
    return even_discs(
        np.full(len(means), 0.001), means, facing, RGB.reshape(-1, 3).astype(float), np.ones(len(means), bool)
    )


def error(discs: Gaussians) -> float:
    """Root of the mean squared difference to the picture, away from its edges."""
    wrong = (render(discs, CAMERA).image.numpy() - RGB)[4:-4, 4:-4]
    return float(np.sqrt((wrong**2).mean()))


def test_sharpening_takes_the_blur_out_of_what_the_view_shows(discs: Gaussians) -> None:
    owned = np.zeros(len(discs), np.int64)
    assert error(sharpened(discs, owned, MOST, [VIEW], NO_GAIN)) < 0.5 * error(discs)


def test_discs_without_a_view_keep_their_colours(discs: Gaussians) -> None:
    after = sharpened(discs, SOURCE, MOST, [VIEW], NO_GAIN)
    changed = ((after.sh - discs.sh).abs() > 1e-5).flatten(1).any(1).numpy()
    assert not changed[SOURCE < 0].any() and changed[SOURCE == 0].mean() > 0.9


def test_a_disc_changes_by_no_more_than_it_may(discs: Gaussians) -> None:
    most = np.where(np.arange(SIZE_PX**2) % 3, 0.5, 0.02)
    after = sharpened(discs, np.zeros(len(discs), np.int64), most, [VIEW], NO_GAIN)
    change = (decode_colors(after.sh) - decode_colors(discs.sh)).abs().flatten(1).amax(1).numpy()
    assert change[most < 0.5].max() < 0.021 and (change[most == 0.5] > 0.02).mean() > 0.5


def test_before_backdrop_discs_do_not_make_up_for_what_shines_through() -> None:
    """Half-transparent discs of a grey picture stay grey over any backdrop."""
    grey = view_of(
        np.ones((8, 8), np.float32),
        frontal_camera(1.0, 1000, 8, 8, torch.zeros(3)),
        np.full((8, 8, 3), 0.5, np.float32),
    )
    one = even_discs(
        np.array([0.001]), np.zeros((1, 3)), np.array([[0.0, 0, 1]]), np.full((1, 3), 0.5), np.ones(1, bool)
    )
    faint = Gaussians(**{**one.tensors(), "opacity_logits": torch.zeros(1)})
    after = sharpened(faint, np.zeros(1, np.int64), MOST[:1], [grey], NO_GAIN)
    np.testing.assert_allclose(decode_colors(after.sh).numpy(), 0.5, atol=1e-5)


def test_views_of_other_exposure_are_matched(discs: Gaussians) -> None:
    """A gain of 0.8 makes the picture darker, in the middle of its levels."""
    owned = np.zeros(len(discs), np.int64)
    darker = sharpened(discs, owned, MOST, [VIEW], np.full((1, 3), 0.8))
    assert float(decode_colors(darker.sh).mean()) == pytest.approx(0.8 * RGB.mean(), abs=0.01)
