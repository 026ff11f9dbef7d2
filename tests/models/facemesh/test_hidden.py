import numpy as np
import pytest
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, Ints
from fastavatar.images.parts import CLOTH, HAIR, SKIN
from fastavatar.models.facemesh.hidden import WHORL, strands, with_hidden
from fastavatar.models.facemesh.surface import surface_points
from fastavatar.models.facemesh.template import EAR, EYE, FACE, JAW, NECK, SKULL, TORSO, load_template

PALE, BROWN, RED = np.array([0.8, 0.6, 0.5]), np.array([0.3, 0.2, 0.1]), np.array([0.7, 0.05, 0.05])
POINTS = surface_points()
PLACES = POINTS.at(load_template().vertices)
SKULL_POINTS = POINTS.region == SKULL
INTO_SKULL_M = cKDTree(PLACES[~SKULL_POINTS]).query(PLACES)[0]
HAIRY: Bools = np.asarray(INTO_SKULL_M > 0.012)
"""A hairline a little inside the skull's region."""
DRESSED = np.where(HAIRY, HAIR, np.where(POINTS.region == TORSO, CLOTH, SKIN))
SEEN = PLACES[:, 2] > -0.04
"""What a photo from the front shows."""
BEHIND = HAIRY & ~SEEN & (INTO_SKULL_M > 0.052)


def head(hair: Array, contrast: float = 0.0) -> Array:
    """Colours of a head of skin with hair in stripes from ear to ear, 2 cm in all, over red cloth."""
    colors = np.where((POINTS.region == TORSO)[:, None], RED, PALE)
    stripes = np.sign(np.sin(2 * np.pi * PLACES[:, :1] / 0.02))
    colors[HAIRY] = (hair + contrast * stripes)[HAIRY]
    return colors


def whole(colors: Array, seen: Bools = SEEN, material: Ints = DRESSED) -> Array:
    """All colours, from those that are seen."""
    return with_hidden(POINTS, PLACES, np.where(seen[:, None], colors, 0), seen, material)


@pytest.mark.parametrize("color", [BROWN, [0.9, 0.9, 0.9], [0.5, 0.1, 0.1]])
def test_the_back_has_the_hairs_colour_and_not_the_faces(color: Array) -> None:
    np.testing.assert_allclose(whole(head(np.array(color)))[BEHIND].mean(0), color, atol=0.05)


def test_a_bald_skull_is_smooth_skin_even_in_light_from_above() -> None:
    lit = head(np.minimum(PALE * 1.12, 1))
    bald = np.where(DRESSED == HAIR, SKIN, DRESSED)
    found = whole(lit, material=bald)[BEHIND]
    assert np.abs(found - PALE).max() < 0.13
    assert np.abs(np.diff(found, axis=0)).max() < 0.08


def test_strands_behind_are_as_rich_as_those_in_front() -> None:
    plain, striped = (whole(head(BROWN, contrast))[BEHIND] for contrast in (0.0, 0.1))
    assert plain.std(0).max() < 0.022
    assert 0.03 < striped.std(0).min() < 0.1


def test_what_is_seen_stays() -> None:
    colors = head(BROWN, 0.1)
    np.testing.assert_allclose(whole(colors)[SEEN], colors[SEEN], atol=1e-12)


def test_a_lock_leaves_no_shadow_on_the_hidden_cheek() -> None:
    """A dark lock over the left cheek, of which the photo shows nothing on the right."""
    right = (POINTS.region == FACE) & (PLACES[:, 0] < 0) & (PLACES[:, 1] < -0.01) & (PLACES[:, 0] < -0.03)
    lock = right[POINTS.mirror]
    colors, material = head(BROWN), np.where(lock, HAIR, DRESSED)
    colors[lock] = BROWN * 0.3
    found = whole(colors, SEEN & ~right, material)[right & SEEN]
    assert len(found) > 500 and np.abs(found - PALE).max() < 0.1


def test_neither_hair_nor_cloth_colours_the_skin_of_the_nape_between_them() -> None:
    nape = (POINTS.region == NECK) & ~SEEN & (cKDTree(PLACES[DRESSED != SKIN]).query(PLACES)[0] > 0.01)
    nape &= cKDTree(PLACES[HAIRY]).query(PLACES)[0] > 0.023
    found = whole(head(BROWN))[nape]
    assert nape.sum() > 500 and np.abs(found - PALE).max() < 0.16
    assert np.abs(found.mean(0) - PALE).max() < 0.08


def test_on_a_hidden_nape_hair_thins_out() -> None:
    apart_m = cKDTree(PLACES[HAIRY & ~SEEN]).query(PLACES)[0]
    below = ~HAIRY & ~SEEN & np.isin(POINTS.region, (SKULL, NECK)) & (PLACES[:, 2] < -0.08)
    found = whole(head(BROWN)).mean(1)
    near, middle, far = (
        found[below & (low < apart_m) & (apart_m < high)].mean()
        for low, high in ((0, 0.004), (0.005, 0.009), (0.02, 0.03))
    )
    assert near < middle - 0.05 and middle < far - 0.05
    assert found[below & (apart_m < 0.006)].std() > 0.03, "strands end at different heights"


def test_ears_have_the_colour_of_the_face_and_not_of_its_beard() -> None:
    """Of a face that a fringe and a beard leave little of."""
    colors, eyes = head(BROWN), PLACES[POINTS.region == EYE, 1].mean()
    fringe = (POINTS.region == FACE) & (PLACES[:, 1] > eyes + 0.01)
    colors[np.isin(POINTS.region, (FACE, JAW)) & (PLACES[:, 1] < eyes - 0.03)] = 0.4
    colors[fringe] = BROWN
    ears = POINTS.region == EAR
    found = whole(colors, SEEN & ~ears, np.where(fringe, HAIR, DRESSED))[ears]
    assert np.abs(found.mean(0) - PALE).max() < 0.13


def test_a_neck_that_is_seen_has_its_own_colour_behind() -> None:
    colors = head(BROWN)
    colors[POINTS.region == NECK] = 0.7 * PALE
    nape = (POINTS.region == NECK) & (PLACES[:, 2] < -0.07)
    np.testing.assert_allclose(whole(colors)[nape].mean(0), 0.7 * PALE, atol=0.14)


def test_strands_fall_from_the_whorl() -> None:
    """Over a centimetre they hardly change along the way hair falls, and do across it."""
    pattern = strands(PLACES, POINTS.neighbours, SKULL_POINTS)
    skull = np.flatnonzero(SKULL_POINTS & (np.linalg.norm(PLACES - WHORL, axis=1) > 0.04))
    links = POINTS.neighbours[skull][:, skull].tocoo()
    ways = PLACES[skull][links.col] - PLACES[skull][links.row]
    # Hair leaves the whorl in all directions, then hangs
    fall = PLACES[skull][links.row] - WHORL
    fall[:, 1] -= np.linalg.norm(fall[:, [0, 2]], axis=1)
    cosine = np.abs((ways * fall).sum(1)) / (np.linalg.norm(ways, axis=1) * np.linalg.norm(fall, axis=1))
    change = np.abs(pattern[skull][links.row] - pattern[skull][links.col])
    assert change[cosine > 0.8].mean() < 0.5 * change[cosine < 0.2].mean()
    assert pattern[POINTS.region == FACE].max() == 0 and pattern[SKULL_POINTS].std() == pytest.approx(1)


def test_hair_that_is_not_seen_still_gets_a_colour() -> None:
    found = whole(head(BROWN), SEEN & ~HAIRY)
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    blank = np.full((len(PLACES), 3), 0.5)
    np.testing.assert_array_equal(with_hidden(POINTS, PLACES, blank, np.zeros_like(SEEN), DRESSED), blank)
