import numpy as np
import pytest

from fastavatar.geometry import Array, Bools
from fastavatar.models.facemesh.hidden import WHORL, hair_of, into_hair, strands, with_hidden
from fastavatar.models.facemesh.surface import surface_points
from fastavatar.models.facemesh.template import FACE, SKULL, load_template

SKIN, BROWN = np.array([0.8, 0.6, 0.5]), np.array([0.3, 0.2, 0.1])
POINTS = surface_points(fine_eyes=True)
PLACES = POINTS.at(load_template().vertices)
SKULL_POINTS = POINTS.region == SKULL
SEEN = PLACES[:, 2] > -0.04
"""What a photo from the front shows."""


def head(hair: Array, contrast: float = 0.0) -> Array:
    """Colours of a head of skin with hair in stripes from ear to ear, 2 cm in all."""
    colors = np.tile(SKIN, (len(PLACES), 1))
    covered = SKULL_POINTS & (into_hair() > 0.3)
    stripes = np.sign(np.sin(2 * np.pi * PLACES[:, :1] / 0.02))
    colors[covered] = (hair + contrast * stripes)[covered]
    return colors


def behind() -> Bools:
    return np.asarray(SKULL_POINTS & ~SEEN & (into_hair() > 0.9))


def test_skin_is_no_hair_and_the_crown_is() -> None:
    assert into_hair()[~SKULL_POINTS].max() == 0
    crown = SKULL_POINTS & (PLACES[:, 1] > 0.1) & (PLACES[:, 2] < -0.05)
    assert into_hair()[crown].min() == 1


@pytest.mark.parametrize("color", [BROWN, [0.9, 0.9, 0.9], [0.5, 0.1, 0.1]])
def test_the_back_has_the_hairs_colour_and_not_the_faces(color: Array) -> None:
    whole = with_hidden(POINTS, np.where(SEEN[:, None], head(np.array(color)), 0), SEEN)
    np.testing.assert_allclose(whole[behind()].mean(0), color, atol=0.05)


def test_a_bald_skull_stays_one_even_in_light_from_above() -> None:
    lit = head(np.minimum(SKIN * 1.12, 1))
    found = hair_of(POINTS, lit, SEEN)
    assert found is not None and found.share < 0.1
    whole = with_hidden(POINTS, np.where(SEEN[:, None], lit, 0), SEEN)
    assert np.abs(np.diff(whole[behind()], axis=0)).max() < 0.05


def test_strands_behind_are_as_rich_as_those_in_front() -> None:
    plain, striped = (
        with_hidden(POINTS, np.where(SEEN[:, None], head(BROWN, contrast), 0), SEEN)[behind()]
        for contrast in (0.0, 0.1)
    )
    assert plain.std(0).max() < 0.022
    assert 0.03 < striped.std(0).min() < 0.1


def test_what_is_seen_stays() -> None:
    colors = head(BROWN, 0.1)
    np.testing.assert_array_equal(with_hidden(POINTS, colors, SEEN)[SEEN], colors[SEEN])


def test_strands_fall_from_the_whorl() -> None:
    """Over a centimetre they hardly change along the way hair falls, and do across it."""
    skull = np.flatnonzero(SKULL_POINTS & (np.linalg.norm(PLACES - WHORL, axis=1) > 0.04))
    links = POINTS.neighbours[skull][:, skull].tocoo()
    ways = PLACES[skull][links.col] - PLACES[skull][links.row]
    fall = PLACES[skull][links.row] - WHORL
    cosine = np.abs((ways * fall).sum(1)) / (np.linalg.norm(ways, axis=1) * np.linalg.norm(fall, axis=1))
    change = np.abs(strands()[skull][links.row] - strands()[skull][links.col])
    assert change[cosine > 0.8].mean() < 0.5 * change[cosine < 0.2].mean()
    assert strands()[POINTS.region == FACE].max() == 0 and strands()[SKULL_POINTS].std() == pytest.approx(1)


def test_an_unseen_skull_gives_no_hair_colour() -> None:
    colors = head(BROWN)
    assert hair_of(POINTS, colors, SEEN & ~SKULL_POINTS) is None
    assert np.isfinite(with_hidden(POINTS, colors, SEEN & ~SKULL_POINTS)).all()
