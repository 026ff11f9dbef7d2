import numpy as np
import pytest

from fastavatar.images.edges import lower_edge, picture_edge

SIZE_PX = 400


@pytest.mark.parametrize("slope", [-0.2, 0.0, 0.1])
def test_a_straight_edge_is_found_through_hair_that_hangs_below_it(slope: float) -> None:
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    person = (rows < 250 + slope * columns) & (columns > 50) & (columns < 350)
    person[:320, 60:80] = True
    edge = lower_edge(person.astype(np.float32))
    assert edge is not None
    found, offset, middle = edge
    assert found == pytest.approx(slope, abs=0.01)
    assert found * 200 + offset == pytest.approx(250 + slope * 200, abs=1.0)
    assert middle == pytest.approx(200, abs=20)


def test_a_round_edge_and_the_edge_of_the_picture_do_not_count() -> None:
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    disc = np.hypot(rows - 200, columns - 250) < 150
    assert lower_edge(disc.astype(np.float32)) is None
    assert lower_edge(np.ones((SIZE_PX, SIZE_PX), np.float32)) is None


def test_the_pictures_own_edge_counts_where_the_person_reaches_it() -> None:
    person = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    person[:, 100:300] = 1
    assert picture_edge(person) == (0.0, SIZE_PX, 200.0)
    person[-3:] = 0
    assert picture_edge(person) is None
    person[-1, 100:160] = 1
    assert picture_edge(person) is None, "too narrow: a lock or an arm"


@pytest.mark.parametrize(("amplitude_px", "is_edge"), [(0.8, True), (2.5, False)])
def test_an_edge_that_waves_is_not_cut_out(amplitude_px: float, is_edge: bool) -> None:
    """As the lower edge of a scanned bust does; a quarter of each is off the line by three pixels more."""
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    wave = amplitude_px * np.sin(columns / 15) - 3 * (columns > 300)
    assert (lower_edge((rows < 250 + wave).astype(np.float32)) is not None) == is_edge
