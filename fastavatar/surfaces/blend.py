"""One colour for each surface point from several pictures: from the one that sees it best, seams blended."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from fastavatar.geometry import Array, Bools, diffused, row_mean

_SEAM_STEPS = 12  # of diffusion over neighbours: how wide a seam is blended
_SQUARENESS_POWER = 2
_ENOUGH = 50  # points that two pictures share
_DARKEST = 0.02
_MOST_GAIN = 2.0


@dataclass(frozen=True)
class Blend:
    """Colours from P pictures."""

    colors: Array
    """(N, 3) in 0…1; meaningless where no picture sees a point."""
    shares: Array
    """(P, N) how much of a colour is from each picture; they sum to 1, to 0 where none sees the point."""
    gains: Array
    """(P, 3) what each picture's colours were multiplied by, so that all were exposed alike."""

    @property
    def seen(self) -> Bools:
        """(N,) which points some picture sees."""
        return np.asarray(self.shares.sum(0) > 0.5)


def blend(colors: Array, facing: Array, neighbours: csr_matrix) -> Blend:
    """Colours of N points from P pictures' colours (P, N, 3).

    `facing` (P, N) is the cosine between surface and view, 0 where a picture does not see a point;
    `neighbours` (N, N) links points beside one another. A picture counts by how squarely it sees a point and
    by how sharp it is where others see the same.
    """
    sees = facing > 0
    gains = _gains(colors, sees)
    leveled = np.clip(colors * gains[:, None], 0, 1)
    quality = facing**_SQUARENESS_POWER * _sharpness(leveled, sees, neighbours)[:, None]
    best = np.argmax(quality, 0)
    shares = (np.arange(len(colors))[:, None] == best) & sees
    spread = shares.T.astype(np.float64)
    if len(colors) > 1:
        spread = diffused(spread, row_mean(neighbours), _SEAM_STEPS)
    spread *= sees.T
    spread /= np.maximum(spread.sum(1, keepdims=True), 1e-12)
    return Blend(np.asarray(np.einsum("np,pnc->nc", spread, leveled)), spread.T, gains)


def _gains(colors: Array, sees: Bools) -> Array:
    """(P, 3) factors, 1 in the geometric mean, after which pictures agree on the points they share."""
    logs = np.log(np.clip(colors, _DARKEST, 1))
    count = len(colors)
    apart, shared = np.zeros((3, count, count)), np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            both = sees[i] & sees[j]
            if both.sum() < _ENOUGH:
                continue
            shared[i, j] = shared[j, i] = both.sum()
            apart[:, i, j] = np.median(logs[j, both] - logs[i, both], axis=0)
            apart[:, j, i] = -apart[:, i, j]
    gains = np.exp(np.stack([_levels(channel, shared) for channel in apart], 1))
    return np.clip(gains, 1 / _MOST_GAIN, _MOST_GAIN)


def _sharpness(colors: Array, sees: Bools, neighbours: csr_matrix) -> Array:
    """(P,) contrast between neighbouring points beside that of other pictures, 1 in the geometric mean."""
    links = neighbours.tocoo()
    a, b = links.row[links.row < links.col], links.col[links.row < links.col]
    change = np.abs(colors[:, a] - colors[:, b]).mean(2)
    count = len(colors)
    apart, shared = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            both = sees[i, a] & sees[i, b] & sees[j, a] & sees[j, b]
            if both.sum() < _ENOUGH:
                continue
            shared[i, j] = shared[j, i] = both.sum()
            apart[i, j] = np.log(max(change[i, both].mean(), 1e-4) / max(change[j, both].mean(), 1e-4))
            apart[j, i] = -apart[i, j]
    return np.exp(_levels(apart, shared))


def _levels(apart: Array, weights: Array) -> Array:
    """(P,) levels, 0 in the mean, whose differences are nearest to `apart` (P, P) by `weights` (P, P)."""
    matrix = np.diag(weights.sum(1)) - weights
    matrix += np.eye(len(weights)) * (1e-6 * np.trace(matrix) + 1e-9)
    levels = np.linalg.solve(matrix, (weights * apart).sum(1))
    return np.asarray(levels - levels.mean())
