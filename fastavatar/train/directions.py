"""Directions in W along which a label of people grows: ridge regression for numbers, logistic for yes or no.

 W (P, D), labels (P,) ─┬─ numbers ─▶ ridge ────┐
                        └─ yes, no ─▶ logistic ─┴─▶ slope (D,) ─▶ unit normal × deviation of W along it

The penalty comes from a validation inside the people that are fitted, and the score from five folds whose
people had no part in it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints

Kind = Literal[
    "number",  # any numbers, such as an age
    "yes_no",  # 1 and 0
]

FOLDS = 5
MIN_PEOPLE = 20
"""Fewer leave under 16 people to a fold's fit."""
MIN_PER_ANSWER = FOLDS
"""People with either answer: one for each fold."""
_PENALTIES = np.geomspace(1e-2, 1e4, 13)
"""Candidates, as multiples of the largest eigenvalue's share: from hardly any penalty to nearly flat."""
_CHANCE_DEVIATIONS = 3.0  # standard errors above chance from which a score is taken as real

_Fit = tuple[Array, float]
"""Slope (D,) and intercept."""


@dataclass(frozen=True)
class Direction:
    """A direction in W and how well W predicts the label."""

    vector: Array
    """(D,) one standard deviation of the people's W along the unit normal, the way the label grows."""
    kind: Kind
    people: int
    penalty: float
    """Ridge penalty, as a multiple of the mean eigenvalue of W's scatter."""
    effect: float
    """What the fit says that one vector adds: units of the label, or logarithm of the odds of yes."""
    scores: dict[str, float]
    """On people left out, five folds: `r2` and `correlation`, or `accuracy`, `majority` and `auc`."""
    chance: float
    """What the last of the scores would reach by luck, three standard errors above none."""

    @property
    def holds(self) -> bool:
        """Whether people left out confirm that W tells the label."""
        return [*self.scores.values()][-1] > self.chance


def fit_direction(w: Array, labels: Array, seed: int = 0) -> Direction:
    """The direction for W (P, D) with labels (P,); labels of 0 and 1 alone count as no and yes.

    `seed` decides who is in which fold. Raises `InputError` for too few people, or labels that are all equal.
    """
    kind: Kind = "yes_no" if set(np.unique(labels)) <= {0.0, 1.0} else "number"
    fewest = min(np.bincount(labels.astype(int), minlength=2)) if kind == "yes_no" else len(np.unique(labels))
    if len(labels) < MIN_PEOPLE:
        raise InputError(f"{len(labels)} people have this label, at least {MIN_PEOPLE} are needed")
    if fewest < (MIN_PER_ANSWER if kind == "yes_no" else 2):
        raise InputError(
            f"{fewest} people have one of the answers, at least {MIN_PER_ANSWER} are needed"
            if kind == "yes_no"
            else "all people have the same value"
        )
    if not np.ptp(w, 0).any():
        raise InputError("the people's W vectors are all equal")
    folds = folds_of(labels if kind == "yes_no" else np.zeros(len(labels)), seed)
    best = _ridge if kind == "number" else _logistic
    left_out = np.empty(len(labels))
    for fold in range(FOLDS):
        inside = folds != fold
        (slope, offset), _ = best(w[inside], labels[inside], seed)
        left_out[~inside] = w[~inside] @ slope + offset
    (slope, _), penalty = best(w, labels, seed)
    length = float(np.linalg.norm(slope))
    deviation = float(np.std(w @ slope) / length)
    scores, chance = _scores(left_out, labels, kind)
    vector = slope * (deviation / length)
    return Direction(vector, kind, len(labels), penalty, float(slope @ vector), scores, chance)


def folds_of(groups: Array, seed: int) -> Ints:
    """(P,) fold of each person, 0 to 4: random, each group spread evenly."""
    order = np.random.default_rng(seed).permutation(len(groups))
    by_group = order[np.argsort(groups[order], kind="stable")]
    folds = np.empty(len(groups), np.int64)
    folds[by_group] = np.arange(len(groups)) % FOLDS
    return folds


def _ridge(w: Array, y: Array, seed: int) -> tuple[_Fit, float]:
    """Slope and intercept by ridge regression, and the penalty of the least leave-one-out error.

    All in closed form on X = U S Vᵀ: the fit is U S²/(S²+λ) Uᵀ y, and a person's error when left out is the
    residual over one minus the person's own leverage (Hastie et al. 2009, equation 7.64).
    """
    mean, middle = w.mean(0), float(y.mean())
    u, s, vt = np.linalg.svd(w - mean, full_matrices=False)
    inside = u.T @ (y - middle)
    errors = []
    penalties = _PENALTIES * float((s**2).mean())
    for penalty in penalties:
        shrinkage = s**2 / (s**2 + penalty)
        residual = y - middle - u @ (shrinkage * inside)
        leverage = (u**2) @ shrinkage + 1 / len(y)  # the mean is fitted too
        errors.append(float(np.mean((residual / np.maximum(1 - leverage, 1e-9)) ** 2)))
    place = int(np.argmin(errors))
    slope = vt.T @ (s / (s**2 + penalties[place]) * inside)
    return (slope, middle - float(mean @ slope)), float(_PENALTIES[place])


def _logistic(w: Array, y: Array, seed: int) -> tuple[_Fit, float]:
    """Slope and intercept by logistic regression, and the penalty of the least cross-validated log loss.

    Done in the span of the people, X = U S Vᵀ, where the slope lies: at most P unknowns in place of D.
    """
    mean = w.mean(0)
    u, s, vt = np.linalg.svd(w - mean, full_matrices=False)
    x, folds = u * s, folds_of(y, seed + 1)
    penalties = _PENALTIES * float((s**2).mean())
    losses = np.zeros(len(penalties))
    for fold in range(FOLDS):
        inside = folds != fold
        found = np.zeros(x.shape[1] + 1)
        for place in reversed(range(len(penalties))):  # from the flattest; each starts at the one before
            found = _penalised(x[inside], y[inside], penalties[place], found)
            margin = x[~inside] @ found[:-1] + found[-1]
            losses[place] += float(np.logaddexp(0, np.where(y[~inside] == 1, -margin, margin)).sum())
    place = int(np.argmin(losses))
    found = _penalised(x, y, penalties[place], np.zeros(x.shape[1] + 1))
    slope = vt.T @ found[:-1]
    return (slope, float(found[-1] - mean @ slope)), float(_PENALTIES[place])


def _penalised(x: Array, y: Array, penalty: float, start: Array) -> Array:
    """Coefficients, intercept last, at the least Σ log loss + penalty/2 |slope|², with its intercept free.

    A quarter of the penalty counts, as the logistic loss is at most a quarter as curved as squares are.
    """

    def objective(values: Array) -> tuple[float, Array]:
        slope, margin = values[:-1], x @ values[:-1] + values[-1]
        loss = float(np.logaddexp(0, margin).sum() - y @ margin + penalty / 8 * slope @ slope)
        off = expit(margin) - y
        return loss, np.append(x.T @ off + penalty / 4 * slope, off.sum())

    found: Array = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    return found


def _scores(predicted: Array, labels: Array, kind: Kind) -> tuple[dict[str, float], float]:
    """How well `predicted` (P,), of people left out, tells the labels (P,), and what luck reaches."""
    if kind == "number":
        spread = float(((labels - labels.mean()) ** 2).sum())
        flat = np.std(predicted) == 0
        correlation = 0.0 if flat else float(np.corrcoef(predicted, labels)[0, 1])
        scores = {"r2": 1 - float(((predicted - labels) ** 2).sum()) / spread, "correlation": correlation}
        return scores, _CHANCE_DEVIATIONS / float(np.sqrt(len(labels)))
    yes = labels == 1
    positives, negatives = int(yes.sum()), int((~yes).sum())
    # Mann and Whitney's U: how often somebody with yes ranks above somebody with no
    ranks = float(rankdata(predicted)[yes].sum()) - positives * (positives + 1) / 2
    scores = {
        "accuracy": float(((predicted > 0) == yes).mean()),
        "majority": max(positives, negatives) / len(labels),
        "auc": ranks / (positives * negatives),
    }
    error = np.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    return scores, 0.5 + _CHANCE_DEVIATIONS * float(error)
