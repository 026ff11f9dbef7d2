"""Finds the straight line along which a picture, or who cut it out, cuts off the person at the bottom."""

import numpy as np
from numpy.typing import NDArray

_EDGE_PX, _SHARP_PX = 2.0, 0.8
"""Distances of columns' ends from the line: of those that count for the fit, and the most of half of them. A
cut-out is sharp, with a median of 0.2 to 0.6 pixels on two people; a scanned bust's own edge has 1.1."""
_STRAIGHT = 0.75  # share of the columns that have to end within twice `_EDGE_PX` of the line; chosen by eye
_LEAST_WIDTH = 0.25  # share of the picture's columns in which the person has to end so; chosen by eye
_ROUNDS = 6  # rounds of fitting and trimming; chosen by eye

FADE_M = 0.012
"""Height above a straight lower edge in which captures' cut-outs fade into the backdrop."""


def lower_edge(mask: NDArray[np.float32]) -> tuple[float, float, float] | None:
    """Slope, offset in pixels and middle column of the line on which the mask (H, W) ends below.

    Returns None where the person reaches the picture's lower edge or ends on no straight line. The fit is
    least squares on the lowest person pixel of each column, trimmed at the median error in each round.
    """
    person = mask > 0.5
    height, width = person.shape
    columns = np.flatnonzero(person[: height - 2].any(0) & ~person[height - 2 :].any(0))
    if len(columns) < width * _LEAST_WIDTH:
        return None
    last = height - person[::-1, columns].argmax(0)
    at, kept = columns + 0.5, np.ones(len(columns), bool)
    for _ in range(_ROUNDS):
        slope, offset = np.polyfit(at[kept], last[kept], 1)
        error = np.abs(last - slope * at - offset)
        kept = error <= max(_EDGE_PX, float(np.median(error)))
    if np.median(error) > _SHARP_PX or (error < 2 * _EDGE_PX).mean() <= _STRAIGHT:
        return None
    return float(slope), float(offset), float(at[kept].mean())


def picture_edge(mask: NDArray[np.float32]) -> tuple[float, float, float] | None:
    """The picture's lower edge as a line like `lower_edge`'s, None where the person hardly reaches it."""
    person = mask > 0.5
    height, width = person.shape
    columns = np.flatnonzero(person[height - 2 :].any(0))
    if len(columns) < width * _LEAST_WIDTH:
        return None
    return 0.0, float(height), float(columns.mean() + 0.5)


def fading(mask: NDArray[np.float32], px_per_m: float) -> NDArray[np.bool_] | None:
    """Which pixels (H, W) lie below the top of the strip in which a cut-out fades, None without such an edge.

    Above a straight lower edge of the mask (H, W), colours are mixed with the backdrop's within `FADE_M`.
    """
    edge = lower_edge(mask)
    if edge is None:
        return None
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    return np.asarray(rows > edge[0] * columns + edge[1] - FADE_M * px_per_m)
