import numpy as np
import pytest

from fastavatar.images.parts import CLOTH, HAIR, SKIN, PersonParts, person_parts
from tests.portraits import portrait

FACE, TOP, SUIT, WALL = (
    np.s_[90:160, 195:250],
    np.s_[30:60, 200:250],
    np.s_[300:400, 100:180],
    np.s_[:100, 400:],
)


@pytest.fixture(scope="module")
def parts() -> PersonParts:
    return person_parts(portrait().rgb)


def test_hair_is_on_top_skin_in_the_face_and_cloth_on_the_suit(parts: PersonParts) -> None:
    for where, part in ((FACE, SKIN), (TOP, HAIR), (SUIT, CLOTH)):
        assert parts.shares[where][..., part].mean() > 0.85
        assert parts.coverage[where].mean() > 0.97
    assert parts.coverage[WALL].max() < 0.03


def test_shares_are_shares_and_coverage_is_one(parts: PersonParts) -> None:
    assert parts.shares.shape == (512, 512, 4) and parts.shares.min() >= 0
    np.testing.assert_allclose(parts.shares.sum(2), 1, atol=1e-5)
    for values in (parts.coverage, parts.rgb):
        assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1


def test_most_of_the_picture_is_all_person_or_none(parts: PersonParts) -> None:
    """The network is sure of neither; matting needs pixels that are."""
    assert (parts.coverage > 0.98).mean() > 0.25 and (parts.coverage < 0.02).mean() > 0.25


def test_colours_change_only_at_the_edge(parts: PersonParts) -> None:
    whole = parts.coverage > 0.98
    np.testing.assert_allclose(parts.rgb[whole], (portrait().rgb / 255)[whole], atol=1e-6)
    assert (np.abs(parts.rgb - portrait().rgb / 255).max(2)[~whole] > 0.02).any()


def test_a_given_coverage_is_kept() -> None:
    alpha = np.zeros((512, 512), np.float32)
    alpha[50:400, 150:300] = 1
    alpha[:, 150] = 0.4
    found = person_parts(portrait().rgb, alpha)
    np.testing.assert_array_equal(found.coverage, alpha)
    assert found.shares[FACE][..., SKIN].mean() > 0.85
