import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix, csr_matrix

from fastavatar.core import frontal_camera
from fastavatar.geometry import Array, Bools, Ints
from fastavatar.models.facemesh.surface import surface_points
from fastavatar.models.facemesh.template import load_template
from fastavatar.surfaces.completion import complete_colors
from fastavatar.surfaces.seen import colors_in_view, sample_photo, visible_points


def linked(count: int, links: list[tuple[int, int]]) -> csr_matrix:
    a, b = np.array(links).T
    graph = coo_matrix((np.ones(len(a)), (a, b)), (count, count)).tocsr()
    return graph.maximum(graph.T)


def symmetric_chain(half: int) -> tuple[csr_matrix, Ints]:
    """Points in a row, the right half the mirror image of the left, and each one's image."""
    count = 2 * half
    return linked(count, [(k, k + 1) for k in range(count - 1)]), np.arange(count)[::-1].copy()


def some_seen(count: int, seed: int) -> Bools:
    rng = np.random.default_rng(seed)
    seen = rng.random(count) < rng.uniform(0.05, 0.95)
    seen[rng.integers(count)] = True
    return seen


@given(st.integers(0, 10_000), st.tuples(*[st.floats(0, 1)] * 3))
def test_one_colour_stays_one_colour(seed: int, color: tuple[float, float, float]) -> None:
    graph, mirror = symmetric_chain(15)
    seen = some_seen(30, seed)
    colors = np.where(seen[:, None], np.array(color), 0.5)  # what is hidden has to be found
    np.testing.assert_allclose(
        complete_colors(colors, seen, graph, mirror), np.tile(color, (30, 1)), atol=1e-4
    )


@given(st.integers(0, 10_000))
def test_what_is_seen_stays_and_all_is_a_colour(seed: int) -> None:
    graph, mirror = symmetric_chain(15)
    seen, colors = some_seen(30, seed), np.random.default_rng(seed).random((30, 3))
    before = colors.copy()
    completed = complete_colors(colors, seen, graph, mirror)
    np.testing.assert_array_equal(completed[seen], before[seen])
    np.testing.assert_array_equal(colors, before)
    assert np.isfinite(completed).all() and completed.min() >= 0 and completed.max() <= 1


@given(st.integers(0, 10_000))
def test_what_hidden_points_held_does_not_matter(seed: int) -> None:
    """Colours of points behind the person must never show."""
    graph, mirror = symmetric_chain(15)
    rng = np.random.default_rng(seed)
    seen, colors = some_seen(30, seed), rng.random((30, 3))
    other = np.where(seen[:, None], colors, rng.random((30, 3)))
    np.testing.assert_allclose(
        complete_colors(colors, seen, graph, mirror), complete_colors(other, seen, graph, mirror), atol=1e-9
    )


def test_between_two_colours_it_changes_evenly() -> None:
    graph = linked(11, [(k, k + 1) for k in range(10)])
    seen = np.zeros(11, bool)
    seen[[0, 10]] = True
    colors = np.full((11, 3), 0.9)
    colors[0], colors[10] = 0, 1
    own_image = np.arange(11)  # on the midplane: nothing to copy from
    completed = complete_colors(colors, seen, graph, own_image)
    np.testing.assert_allclose(completed, np.linspace(0, 1, 11)[:, None].repeat(3, 1), atol=1e-4)


def test_the_hidden_half_is_the_image_of_the_seen_one() -> None:
    graph, mirror = symmetric_chain(40)
    seen = np.arange(80) < 40
    brow = 0.6 - 0.4 * np.exp(-((np.arange(40) - 20) ** 2) / 8)
    colors = np.full((80, 3), 0.9)
    colors[:40] = brow[:, None]
    completed = complete_colors(colors, seen, graph, mirror)
    image = colors[mirror][40:]
    assert np.abs(completed[40:] - image).max() < 0.07
    assert np.corrcoef(completed[40:, 0], image[:, 0])[0, 1] > 0.99


def test_a_hidden_half_takes_the_light_of_its_own_side() -> None:
    """Differences are copied, not colours: the seen end of the darker side decides, without a seam."""
    graph, mirror = symmetric_chain(40)
    seen = (np.arange(80) < 40) | (np.arange(80) == 79)
    colors = np.full((80, 3), 0.9)
    colors[:40] = 0.7
    colors[79] = 0.3
    completed = complete_colors(colors, seen, graph, mirror)
    steps = np.abs(np.diff(completed[39:, 0]))
    assert steps.max() < 0.02 and completed[78, 0] < 0.32


@pytest.mark.parametrize("seen", [np.ones(30, bool), np.zeros(30, bool)])
def test_nothing_to_find_or_nothing_to_find_it_from(seen: Bools) -> None:
    graph, mirror = symmetric_chain(15)
    colors = np.random.default_rng(0).random((30, 3))
    np.testing.assert_array_equal(complete_colors(colors, seen, graph, mirror), colors)


def test_the_real_surface_is_completed_from_one_half() -> None:
    points = surface_points()
    positions = points.at(load_template().vertices)
    seen = positions[:, 0] < -0.001
    colors = np.repeat((0.5 + positions[:, 1:2]).clip(0, 1), 3, 1)  # by height
    completed = complete_colors(np.where(seen[:, None], colors, 0.0), seen, points.neighbours, points.mirror)
    assert np.abs(completed - colors).mean() < 0.02


def test_a_plane_hides_the_one_behind_it() -> None:
    grid = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0)), -1).reshape(-1, 2)
    pixels = np.concatenate([grid, grid + 0.3])
    depth = np.repeat([1.0, 1.1], len(grid))
    facing = np.ones(len(depth))
    assert visible_points(pixels, depth, facing, 1000).tolist() == (depth == 1.0).tolist()
    slightly_behind = np.repeat([1.0, 1.002], len(grid))
    assert visible_points(pixels, slightly_behind, facing, 1000).all()


def test_what_turns_away_is_not_seen() -> None:
    pixels = np.stack([np.arange(5) * 50.0, np.zeros(5)], 1)
    facing = np.array([1.0, 0.6, 0.05, -0.2, -1.0])
    assert visible_points(pixels, np.ones(5), facing, 1000).tolist() == [True, True, False, False, False]


def test_what_is_known_to_lie_deeper_than_around_it_is_seen_all_the_same() -> None:
    """A recess of 8 mm in a plane, 40 mm wide: its middle counts as hidden unless its depth is given."""
    x, y = np.meshgrid(np.arange(-0.02, 0.02, 0.001), np.arange(-0.02, 0.02, 0.001))
    recessed = np.where(np.hypot(x, y) < 0.004, 0.0085, 0.0).ravel()
    means = np.stack([x.ravel(), y.ravel(), -recessed], 1)
    camera = frontal_camera(0.6, 800, 64, 64)
    picture = np.full((64, 64, 3), 0.5, np.float32), np.ones((64, 64), np.float32)
    toward = np.tile([0.0, 0, 1], (len(means), 1))
    plain = colors_in_view(means, toward, *picture, camera)[2]
    told = colors_in_view(means, toward, *picture, camera, recessed)[2]
    assert not plain[recessed > 0].any() and told.all() and plain[recessed == 0].all()


def ramp(width: int, height: int) -> Array:
    """Red grows to the right, green downward, by a hundredth per pixel, from the first pixel's centre."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([x / 100, y / 100, np.full_like(x, 0.2)], -1)


def test_colours_are_taken_where_they_lie() -> None:
    pixels = np.array([[10.5, 20.5], [33.25, 7.75], [59.5, 39.5]])
    colors, covered = sample_photo(ramp(60, 40).astype(np.float32), np.ones((40, 60), np.float32), pixels)
    np.testing.assert_allclose(colors[:, :2], pixels / 100, atol=1e-6)
    assert covered.all()


def test_the_rim_the_background_and_what_is_outside_are_left_out() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[:, 20:] = 1
    pixels = np.array([[10.5, 20.5], [20.5, 20.5], [26.5, 20.5], [-3, 20], [61, 20], [30, 40.5]])
    _, covered = sample_photo(ramp(60, 40).astype(np.float32), mask, pixels)
    assert covered.tolist() == [False, False, True, False, False, False]
