"""Several pictures of one size on one sheet."""

from collections.abc import Iterable

import numpy as np

from fastavatar.errors import UsageError
from fastavatar.results import Picture


def sheet_of(pictures: Iterable[Picture], columns: int, rows: int) -> Picture:
    """The pictures (H, W, C) in a grid, left to right, then down; empty cells have the first one's corner.

    Raises `UsageError` for more pictures than cells, none, and pictures of different sizes.
    """
    tiles = list(pictures)
    sizes = {tile.shape for tile in tiles}
    if not 0 < len(tiles) <= columns * rows:
        raise UsageError(f"{len(tiles)} pictures do not fit into {columns}×{rows} cells: choose other views")
    if len(sizes) > 1:
        raise UsageError("the pictures of a sheet must have one size, as those of one camera have")
    empty = np.broadcast_to(tiles[0][:1, :1], tiles[0].shape)
    tiles += [empty] * (columns * rows - len(tiles))
    lines = [np.concatenate(tiles[row * columns : (row + 1) * columns], 1) for row in range(rows)]
    return np.concatenate(lines, 0)
