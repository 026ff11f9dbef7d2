import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.train.directions import Direction, fit_direction, folds_of

rng = np.random.default_rng(7)
W = rng.standard_normal((400, 48)) * np.linspace(0.5, 2, 48)
TRUE = rng.standard_normal(48)
TRUE /= np.linalg.norm(TRUE)
GROWTH = W @ TRUE


def cosine(direction: Direction, truth: Array = TRUE) -> float:
    return float(direction.vector @ truth / np.linalg.norm(direction.vector) / np.linalg.norm(truth))


def test_a_number_that_grows_along_a_direction_is_found_with_its_slope() -> None:
    direction = fit_direction(W, 30 + 4 * GROWTH + rng.standard_normal(400))
    assert direction.kind == "number" and direction.people == 400
    assert cosine(direction) > 0.99
    # one vector is one deviation of the people along it, and adds four units for each of its length
    assert np.linalg.norm(direction.vector) == pytest.approx(np.std(GROWTH), rel=0.05)
    assert direction.effect == pytest.approx(4 * np.linalg.norm(direction.vector), rel=0.05)
    assert direction.scores["r2"] == pytest.approx(1 - 1 / (1 + 16 * np.var(GROWTH)), abs=0.02)
    assert direction.holds


def test_yes_and_no_on_two_sides_of_a_plane_give_its_normal() -> None:
    direction = fit_direction(W, (GROWTH > 0.5).astype(float))
    assert direction.kind == "yes_no" and cosine(direction) > 0.95
    assert direction.scores["auc"] > 0.95 > direction.scores["accuracy"] > direction.scores["majority"] + 0.15
    assert direction.effect > 2 and direction.holds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_labels_that_have_nothing_to_do_with_w_do_not_hold(seed: int) -> None:
    draw = np.random.default_rng(seed)
    assert not fit_direction(W, draw.standard_normal(400)).holds
    assert not fit_direction(W, (draw.random(400) > 0.5).astype(float)).holds


def test_the_score_of_fewer_people_than_numbers_in_w_is_that_of_people_left_out() -> None:
    few = np.random.default_rng(1).standard_normal((40, 300))
    direction = fit_direction(few, np.random.default_rng(2).standard_normal(40))
    assert direction.scores["r2"] < 0.1  # a fit to all 40 is perfect


def test_folds_spread_each_group_evenly() -> None:
    groups = np.array([0.0] * 23 + [1.0] * 10)
    folds = folds_of(groups, 3)
    assert np.bincount(folds[groups == 1], minlength=5).tolist() == [2] * 5
    assert set(np.bincount(folds[groups == 0], minlength=5)) == {4, 5}


def test_the_same_seed_gives_the_same_direction() -> None:
    labels = (GROWTH + rng.standard_normal(400) > 0).astype(float)
    once, again, other = (fit_direction(W, labels, seed) for seed in (5, 5, 6))
    assert np.array_equal(once.vector, again.vector) and once.scores == again.scores != other.scores


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (GROWTH[:19], "19 people have this label, at least 20"),
        (np.full(50, 3.0), "all people have the same value"),
        (np.array([1.0] * 4 + [0.0] * 60), "4 people have one of the answers, at least 5"),
        (np.zeros(50), "0 people have one of the answers"),
    ],
)
def test_too_little_to_learn_from_is_refused(labels: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_direction(W[: len(labels)], labels)


def test_people_who_are_all_the_same_are_refused() -> None:
    with pytest.raises(InputError, match="all equal"):
        fit_direction(np.ones((30, 4)), np.arange(30.0))
