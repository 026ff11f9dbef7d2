"""The straight line along which a picture cuts somebody off below."""

import numpy as np
from numpy.typing import NDArray

_EDGE_PX = 2.0
_STRAIGHT = 0.8  # share of columns that must agree on it


def lower_edge(mask: NDArray[np.float32]) -> tuple[float, float, float] | None:
    """Slope and offset, px, of the straight line on which the mask (H, W) ends below, and its middle column.

    None without one.
    """
    person = mask > 0.5
    height, width = person.shape
    columns = np.flatnonzero(person[: height - 2].any(0) & ~person[height - 2 :].any(0))
    if len(columns) < width / 4:
        return None
    last = height - person[::-1, columns].argmax(0)
    at, kept = columns + 0.5, np.ones(len(columns), bool)
    for _ in range(6):
        slope, offset = np.polyfit(at[kept], last[kept], 1)
        error = np.abs(last - slope * at - offset)
        kept = error <= max(_EDGE_PX, float(np.median(error)))
    if (error < _EDGE_PX).mean() <= _STRAIGHT:
        return None
    return float(slope), float(offset), float(at[kept].mean())
