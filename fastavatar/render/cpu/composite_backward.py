"""Gradients of a tile's splats, derived by hand.

With weights w_i = T_i·a_i, where T_i is the transmittance in front of splat i, a pixel is
Σ w_i·c_i + T_end·background. Let V be the gradient of the loss by the pixel and c_i·V splat i's share. Then

    ∂loss/∂a_i = T_i·(c_i·V) − R_i / (1 − a_i),
    R_i = Σ_{j>i} w_j·(c_j·V) + T_end·(background·V − ∂loss/∂alpha),

so running front to back as the forward pass does needs nothing of it but the picture: R starts as the whole
and loses w_i·(c_i·V) at each splat. Depth is one more colour, divided by alpha.
"""

import numpy as np

from fastavatar.render.constants import TILE
from fastavatar.render.cpu.kernel import inlined, kernel
from fastavatar.render.cpu.lanes import (
    WIDTH,
    bits,
    eight_sums,
    fetch_add,
    fma,
    lane_numbers,
    load,
    store,
    where,
)
from fastavatar.render.cpu.layout import LEFT, RIGHT, TOP, Floats, Ints, Longs
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
    P_Y,
    PLANES,
    T_MIN,
    ZERO,
    exp_of_eightfold,
    gather,
    reach_row,
)

# Planes of a row's pixels.
_RED, _GREEN, _BLUE, _DEPTH, _REST, _PIXELS = range(6)


@kernel
def composite_backward(
    counter: Longs,
    starts: Longs,
    indices: Ints,
    longest: int,
    splats: Floats,
    rects: Ints,
    first_pairs: Longs,
    image: Floats,
    alpha: Floats,
    depth: Floats,
    d_image: Floats,
    d_alpha: Floats,
    d_depth: Floats,
    pair_sums: Floats,
) -> None:
    """Fill `pair_sums` (pairs, SUMS): each splat's gradient sums in each tile it touches.

    Splat i's pairs begin at `first_pairs[i]`, its tiles in reading order, so that no two threads write one
    place and the sums that follow have one order.
    """
    height, width = alpha.shape
    columns = (width + TILE - 1) // TILE
    planes = np.empty((PLANES, longest + WIDTH), np.float32)
    reaching = np.empty(longest + 2 * WIDTH, np.int32)
    sums = np.empty((longest, WIDTH), np.float32)
    pixels = np.zeros((_PIXELS, WIDTH), np.float32)
    lanes = lane_numbers()
    upper_half = lanes >= np.float32(WIDTH // 2)
    while True:
        tile = fetch_add(counter)
        if tile >= len(starts) - 1:
            break
        tile_row, tile_column = tile // columns, tile % columns
        left, top = tile_column * TILE, tile_row * TILE
        visible = min(TILE, width - left)
        own = indices[starts[tile] : starts[tile + 1]]
        gather(own, splats, left, top, planes)
        sums[: len(own)] = ZERO
        for row in range(min(TILE, height - top)):
            count = reach_row(row, len(own), planes, reaching)
            if count == 0:
                continue
            pixel_gradients(left, top + row, visible, image, alpha, depth, d_image, d_alpha, d_depth, pixels)
            v_red, v_green, v_blue = load(pixels[_RED], 0), load(pixels[_GREEN], 0), load(pixels[_BLUE], 0)
            v_depth, rest = load(pixels[_DEPTH], 0), load(pixels[_REST], 0)
            transmittance = where(lanes >= np.float32(visible), ZERO, ONE)
            for j in range(count):
                i = int(np.uint32(reaching[j]))
                u = lanes - planes[P_CENTER, i]
                e = planes[P_PEAK, i] - planes[P_NARROW, i] * (u * u)
                raw = exp_of_eightfold(e)
                a = where(raw > A_MAX, A_MAX, raw)
                a = where(e >= E_MIN, a, ZERO)
                w = transmittance * a
                share = fma(v_depth, planes[P_DEPTH, i], v_blue * planes[P_BLUE, i])
                share = fma(v_green, planes[P_GREEN, i], fma(v_red, planes[P_RED, i], share))
                rest = rest - w * share
                d_a = transmittance * share - rest / (ONE - a)
                transmittance = transmittance - w
                alive = transmittance > T_MIN
                w = where(alive, w, ZERO)
                g = where(alive, where(raw > A_MAX, ZERO, a) * d_a, ZERO)
                v = np.float32(row) - planes[P_Y, i]
                gu = g * u
                total = eight_sums(g, gu, gu * u, w * v_red, w * v_green, w * v_blue, w * v_depth, g * v)
                store(sums[i], 0, fma(total, where(upper_half, v, ONE), load(sums[i], 0)))
                if bits(alive) == 0:
                    break
        for i in range(len(own)):
            splat = own[i]
            wide = rects[splat, RIGHT] - rects[splat, LEFT]
            pair = (
                first_pairs[splat] + (tile_row - rects[splat, TOP]) * wide + tile_column - rects[splat, LEFT]
            )
            for k in range(8):
                pair_sums[pair, k] = sums[i, k]
            pair_sums[pair, 8] = sums[i, 9]
            pair_sums[pair, 9] = sums[i, 15]


@inlined
def pixel_gradients(
    left: int,
    y: int,
    visible: int,
    image: Floats,
    alpha: Floats,
    depth: Floats,
    d_image: Floats,
    d_alpha: Floats,
    d_depth: Floats,
    pixels: Floats,
) -> None:
    """Fill `pixels` with the gradients by colour and summed depth, and R in front of the first splat."""
    for lane in range(visible):
        x = left + lane
        d_red, d_green, d_blue = d_image[y, x, 0], d_image[y, x, 1], d_image[y, x, 2]
        covered = alpha[y, x]
        by_depth = d_depth[y, x] / covered if covered > ZERO else ZERO
        by_alpha = d_alpha[y, x] - by_depth * depth[y, x]
        pixels[_RED, lane], pixels[_GREEN, lane], pixels[_BLUE, lane] = d_red, d_green, d_blue
        pixels[_DEPTH, lane] = by_depth
        shown = d_red * image[y, x, 0] + d_green * image[y, x, 1] + d_blue * image[y, x, 2]
        pixels[_REST, lane] = shown + by_depth * depth[y, x] * covered - by_alpha * (ONE - covered)
