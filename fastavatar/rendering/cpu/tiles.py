"""Which splats touch which tile, each tile's from near to far."""

import numpy as np

from fastavatar.rendering import BOTTOM, LEFT, RIGHT, TOP, Ints, Keys, Longs, fetch_add, kernel

_INDEX = np.uint64(0xFFFFFFFF)


@kernel
def fill_tiles(
    counter: Longs, bands: int, order: Keys, rects: Ints, row_starts: Longs, starts: Longs, indices: Ints
) -> None:
    """Fill `starts` (tiles + 1,) and the splats' `indices`, one band of tile rows at a time.

    `order` holds the sorted keys of what is drawn, `row_starts` (tile rows + 1,) where each row's tiles begin
    in `indices`. Bands are taken from `counter`; no two write one list.
    """
    rows = len(row_starts) - 1
    columns = (len(starts) - 1) // rows
    starts[rows * columns] = row_starts[rows]
    while True:
        band = fetch_add(counter)
        if band >= bands:
            break
        first_row, last_row = band * rows // bands, (band + 1) * rows // bands
        first, last = first_row * columns, last_row * columns
        # Counting sort: how many splats each tile of the band has …
        following = np.zeros(last - first + 1, np.int64)
        for key in order:
            rect = rects[np.intp(key & _INDEX)]
            for row in range(max(rect[TOP], first_row), min(rect[BOTTOM], last_row)):
                corner = row * columns - first
                for tile in range(corner + rect[LEFT], corner + rect[RIGHT]):
                    following[tile + 1] += 1
        # … where each tile's list begins …
        following[0] = row_starts[first_row]
        for tile in range(last - first):
            following[tile + 1] += following[tile]
            starts[first + tile] = following[tile]
        # … and the splats, which come from near to far, each to its tiles' lists
        for key in order:
            index = np.intp(key & _INDEX)
            rect = rects[index]
            for row in range(max(rect[TOP], first_row), min(rect[BOTTOM], last_row)):
                corner = row * columns - first
                for tile in range(corner + rect[LEFT], corner + rect[RIGHT]):
                    indices[following[tile]] = index
                    following[tile] += 1
