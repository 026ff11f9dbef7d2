import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.images.exif import focal_length_px

FILM_MM, FOCAL_MM, PLANE_X, PLANE_UNIT, WIDTH, HEIGHT = 0xA405, 0x920A, 0xA20E, 0xA210, 0xA002, 0xA003

films_mm = st.floats(14, 600)
sizes = st.integers(100, 9000)


@given(films_mm)
def test_film_equivalent_length_relates_to_the_diagonal(film_mm: float) -> None:
    focal_px = focal_length_px({FILM_MM: film_mm}, 3600, 2400)
    assert focal_px == pytest.approx(film_mm * 100)  # as many pixels as 36 × 24 mm has hundredths


@given(films_mm, st.floats(0.1, 3))
def test_turning_changes_nothing_and_resizing_scales(film_mm: float, factor: float) -> None:
    tags = {FILM_MM: film_mm, WIDTH: 4000, HEIGHT: 3000}
    full = focal_length_px(tags, 4000, 3000)
    assert full is not None and focal_length_px(tags, 3000, 4000) == full
    resized = focal_length_px(tags, round(4000 * factor), round(3000 * factor))
    assert resized == pytest.approx(full * factor, rel=0.01)


@pytest.mark.parametrize(
    ("unit", "per_unit"), [(None, 25.4), (2, 25.4), (3, 10.0), (4, 1.0), (5, 0.001)], ids=str
)
@pytest.mark.parametrize(("width", "height", "shrunk"), [(5000, 4000, 1.0), (2000, 2500, 0.5)])
def test_focal_plane_resolution_counts_the_pixels_as_taken(
    unit: int | None, per_unit: float, width: int, height: int, shrunk: float
) -> None:
    tags: dict[int, object] = {FOCAL_MM: Fraction(50), PLANE_X: 200 * per_unit, WIDTH: 5000, HEIGHT: 4000}
    if unit is not None:
        tags[PLANE_UNIT] = unit
    assert focal_length_px(tags, width, height) == pytest.approx(50 * 200 * shrunk)


def test_the_film_equivalent_length_has_precedence() -> None:
    assert focal_length_px({FILM_MM: 36, FOCAL_MM: 6, PLANE_X: 9000}, 3600, 2400) == pytest.approx(3600)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {FILM_MM: 0},
        {FILM_MM: -5},
        {FILM_MM: math.nan},
        {FILM_MM: "thirty"},
        {FILM_MM: (26, 1)},
        {FILM_MM: 2},  # wider than any lens
        {FILM_MM: 60000},
        {FOCAL_MM: 50},
        {FOCAL_MM: 50, PLANE_X: 0},
        {FOCAL_MM: 50, PLANE_X: 5000, PLANE_UNIT: 99},
        {FILM_MM: 26, WIDTH: 4000, HEIGHT: 2000},  # cropped later: this picture is 4 : 3
    ],
    ids=str,
)
def test_other_tags_give_no_focal_length(tags: dict[int, object]) -> None:
    assert focal_length_px(tags, 4000, 3000) is None
