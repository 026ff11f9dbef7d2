import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fastavatar.images.segmentation import person_mask, white_backdrop
from tests.portraits import Rgb, picture, portrait


@pytest.fixture(scope="module")
def mask() -> NDArray[np.float32]:
    return person_mask(portrait().rgb)


def test_the_person_is_in_and_the_background_out(mask: NDArray[np.float32]) -> None:
    assert mask.shape == (512, 512) and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1
    assert (mask[90:160, 195:250] > 0.95).all()  # face
    assert mask[30:60, 200:250].mean() > 0.9  # hair
    assert mask[:100, 400:].max() < 0.1 and mask[:150, :60].max() < 0.1  # shuttle, flag


def test_a_mirrored_photo_has_a_mirrored_mask(mask: NDArray[np.float32]) -> None:
    mirrored = person_mask(np.asarray(picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    assert np.abs(mirrored[:200, ::-1] - mask[:200]).mean() < 0.02


@pytest.mark.parametrize("size_px", [512, 1024])
def test_the_masks_edge_lies_where_the_person_ends(size_px: int, mask: NDArray[np.float32]) -> None:
    """A person with a sharp edge before blue; the network alone works at 256 × 256 pixels."""
    size = size_px, size_px
    inside = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BICUBIC)) > 0.5
    rgb = np.where(inside[..., None], np.asarray(picture().resize(size)), (40, 90, 200)).astype(np.uint8)
    head = slice(0, size_px * 185 // 512)
    wrong = (person_mask(rgb)[head] > 0.5) != inside[head]
    assert wrong.sum() < 0.04 * inside[head].sum()


def test_a_white_backdrop_is_not_the_person(mask: NDArray[np.float32]) -> None:
    rgb = portrait().rgb.copy()
    rgb[:, 380:] = 255
    assert (person_mask(rgb)[:, 380:] == 0).all()


def test_a_backdrop_reaches_the_upper_edge() -> None:
    rgb = np.full((100, 100, 3), 128, np.uint8)
    rgb[:30] = 255  # a strip at the edge
    rgb[50:, 20:60] = 255  # a shirt
    rgb[40:42, 98:] = 255  # too small to be one
    expected = np.zeros((100, 100), bool)
    expected[:30] = True
    np.testing.assert_array_equal(white_backdrop(rgb), expected)


@pytest.mark.parametrize("rgb", [np.full((40, 60, 3), 128, np.uint8), np.full((60, 40, 3), 255, np.uint8)])
def test_the_mask_of_a_picture_without_a_person_is_finite(rgb: Rgb) -> None:
    mask = person_mask(rgb)
    assert mask.shape == rgb.shape[:2] and np.isfinite(mask).all()


def test_white_along_the_whole_lower_edge_is_backdrop_too() -> None:
    """A bust cut off before white; without white above it is a white shirt."""
    rgb = np.full((100, 100, 3), 128, np.uint8)
    rgb[70:] = 255
    assert not white_backdrop(rgb).any()
    rgb[:20] = 255
    np.testing.assert_array_equal(white_backdrop(rgb), (rgb == 255).all(2))


def test_a_thin_strip_below_is_backdrop_and_a_belt_is_not() -> None:
    rgb = np.full((100, 100, 3), 128, np.uint8)
    rgb[:20] = 255
    rgb[60:62] = 255  # a belt
    rgb[98:] = 255
    found = white_backdrop(rgb)
    assert found[98:].all() and not found[20:98].any()
