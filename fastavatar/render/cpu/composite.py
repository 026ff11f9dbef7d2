"""Blending each tile's splats from front to back."""

import numpy as np

from fastavatar.render.constants import TILE
from fastavatar.render.cpu.kernel import kernel
from fastavatar.render.cpu.lanes import WIDTH, bits, fetch_add, fma, lane_numbers, spread, store, where
from fastavatar.render.cpu.layout import Floats, Ints, Longs
from fastavatar.render.cpu.rows import (
    A_MAX,
    E_MIN,
    ONE,
    P_BLUE,
    P_CENTER,
    P_DEPTH,
    P_GREEN,
    P_NARROW,
    P_PEAK,
    P_RED,
    PLANES,
    T_MIN,
    ZERO,
    exp_of_eightfold,
    gather,
    reach_row,
)


@kernel
def composite(
    counter: Longs,
    starts: Longs,
    indices: Ints,
    longest: int,
    splats: Floats,
    background: Floats,
    image: Floats,
    alpha: Floats,
    depth: Floats,
) -> None:
    """Fill `image` (H, W, 3), `alpha` and `depth` (H, W), in tiles taken from `counter`."""
    height, width = alpha.shape
    columns = (width + TILE - 1) // TILE
    planes = np.empty((PLANES, longest + WIDTH), np.float32)
    reaching = np.empty(longest + 2 * WIDTH, np.int32)
    row_out = np.empty((5, WIDTH), np.float32)
    lanes = lane_numbers()
    while True:
        tile = fetch_add(counter)
        if tile >= len(starts) - 1:
            break
        left, top = tile % columns * TILE, tile // columns * TILE
        visible = min(TILE, width - left)
        own = indices[starts[tile] : starts[tile + 1]]
        gather(own, splats, left, top, planes)
        for row in range(min(TILE, height - top)):
            count = reach_row(row, len(own), planes, reaching)
            transmittance = where(lanes >= np.float32(visible), ZERO, ONE)
            red, green, blue = spread(ZERO), spread(ZERO), spread(ZERO)
            metres, covered = spread(ZERO), spread(ZERO)
            for j in range(count):
                i = int(np.uint32(reaching[j]))
                u = lanes - planes[P_CENTER, i]
                e = planes[P_PEAK, i] - planes[P_NARROW, i] * (u * u)
                a = exp_of_eightfold(e)
                a = where(a > A_MAX, A_MAX, a)
                a = where(e >= E_MIN, a, ZERO)
                w = transmittance * a
                transmittance = transmittance - w
                alive = transmittance > T_MIN
                w = where(alive, w, ZERO)
                covered = covered + w
                red = fma(w, planes[P_RED, i], red)
                green = fma(w, planes[P_GREEN, i], green)
                blue = fma(w, planes[P_BLUE, i], blue)
                metres = fma(w, planes[P_DEPTH, i], metres)
                if bits(alive) == 0:
                    break
            left_over = ONE - covered
            store(row_out[0], 0, fma(left_over, background[0], red))
            store(row_out[1], 0, fma(left_over, background[1], green))
            store(row_out[2], 0, fma(left_over, background[2], blue))
            store(row_out[3], 0, covered)
            store(row_out[4], 0, metres / where(covered > ZERO, covered, ONE))
            y = top + row
            for x in range(visible):
                image[y, left + x, 0] = row_out[0, x]
                image[y, left + x, 1] = row_out[1, x]
                image[y, left + x, 2] = row_out[2, x]
                alpha[y, left + x] = row_out[3, x]
                depth[y, left + x] = row_out[4, x]
