"""One colour for each surface point from several pictures: that of the best picture, seams blended."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from fastavatar.geometry import Array, Bools, diffused, row_mean

_SEAM_STEPS = 12  # diffusion steps over neighbours, which blend a seam over about one centimetre
_SQUARENESS_POWER = 2  # a picture's quality falls with this power of the cosine, as its resolution does
_ENOUGH = 50  # points that two pictures must share to be compared
_DARKEST = 0.02  # darker colours say little about exposure, as they are mostly noise
_MOST_GAIN = 2.0  # photos of one person differ less; a larger gain comes from a wrong match


@dataclass(frozen=True)
class Blend:
    """Colours from P pictures."""

    colors: Array
    """(N, 3) in 0…1; undefined where no picture sees the point."""
    shares: Array
    """(P, N) share of each picture in a colour; the shares of a point sum to 1, or to 0 where none sees
    it."""
    gains: Array
    """(P, 3) factors on the colours of each picture, which make their exposures agree."""

    @property
    def seen(self) -> Bools:
        """(N,) which points are seen in any picture."""
        return np.asarray(self.shares.sum(0) > 0.5)


def blend(colors: Array, facing: Array, neighbours: csr_matrix) -> Blend:
    """Colours of N points from their colours in P pictures, `colors` (P, N, 3).

    `facing` (P, N) is the cosine between normal and direction of view, 0 where a picture does not see a
    point; `neighbours` (N, N) links neighbouring points. The quality of a picture at a point is the squared
    cosine times the picture's sharpness on what others see too.
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
    """(P, 3) factors, of geometric mean 1, that make pictures agree on the points they share."""
    logs = np.log(np.clip(colors, _DARKEST, 1))
    count = len(colors)
    apart, shared = np.zeros((3, count, count)), np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            both = sees[i] & sees[j]
            if both.sum() < _ENOUGH:
                continue
            shared[i, j] = shared[j, i] = both.sum()
            # A gain is a shift of logarithms; the median ignores shadows and mismatches
            apart[:, i, j] = np.median(logs[j, both] - logs[i, both], axis=0)
            apart[:, j, i] = -apart[:, i, j]
    gains = np.exp(np.stack([_levels(channel, shared) for channel in apart], 1))
    return np.clip(gains, 1 / _MOST_GAIN, _MOST_GAIN)


def _sharpness(colors: Array, sees: Bools, neighbours: csr_matrix) -> Array:
    """(P,) contrast between neighbouring points relative to other pictures, of geometric mean 1."""
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
    """(P,) levels of mean 0 whose differences fit `apart` (P, P) best, weighted by `weights` (P, P)."""
    # Least squares on the graph of pictures: Laplacian · levels = weighted differences
    matrix = np.diag(weights.sum(1)) - weights
    # The Laplacian is singular by a constant; a small ridge fixes the mean and unlinked pictures
    matrix += np.eye(len(weights)) * (1e-6 * np.trace(matrix) + 1e-9)
    levels = np.linalg.solve(matrix, (weights * apart).sum(1))
    return np.asarray(levels - levels.mean())
