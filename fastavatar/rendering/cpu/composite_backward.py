"""Gradients of a tile's splats, derived by hand.

With weights w_i = T_i·a_i, where T_i is the transmittance in front of splat i, a pixel is
Σ w_i·c_i + T_end·background. Let V be the gradient of the loss by the pixel and c_i·V splat i's share. Then

    ∂loss/∂a_i = T_i·(c_i·V) − R_i / (1 − a_i),
    R_i = Σ_{j>i} w_j·(c_j·V) + T_end·(background·V − ∂loss/∂alpha),

so running front to back as the forward pass does needs nothing of it but the picture: R starts as the whole
and loses w_i·(c_i·V) at each splat. Depth is one more colour, divided by alpha.
"""

import numpy as np

from fastavatar.rendering import (
    A_MAX,
    BLOCK,
    LEFT,
    ONE,
    P_BLUE,
    P_DEPTH,
    P_GREEN,
    P_RED,
    P_Y,
    RIGHT,
    T_MIN,
    TILE,
    TOP,
    WIDTH,
    ZERO,
    Longs,
    Pairs,
    Picture,
    TileLists,
    aligned,
    alpha_in_row,
    bits,
    channels_at,
    eight_sums,
    fetch_add,
    fma,
    gather,
    kernel,
    lane_numbers,
    load,
    lowest,
    peek,
    pixels_at,
    reaching,
    store,
    where,
)


@kernel
def composite_backward(
    counter: Longs,
    lists: TileLists,
    picture: Picture,
    d_picture: Picture,
    out: Pairs,
) -> None:
    """Fill `out.sums` with each splat's gradient sums in each tile it touches; `counter` (1,) counts tiles.

    Every pair of splat and tile has a place of its own, so no two threads write to the same place.
    """
    starts, indices, splats, longest = lists.starts, lists.indices, lists.splats, lists.longest
    rects, pair_sums = out.rects, out.sums
    height, width = picture.alpha.shape
    columns = (width + TILE - 1) // TILE
    blocks = aligned((longest // WIDTH + 1) * BLOCK)
    reaches = np.empty(longest // WIDTH + 1, np.int64)
    sums = aligned(longest * WIDTH)
    border = np.zeros(3 * WIDTH, np.float32)
    colors, alphas, depths = picture.image.reshape(-1), picture.alpha.reshape(-1), picture.depth.reshape(-1)
    d_colors, d_alphas = d_picture.image.reshape(-1), d_picture.alpha.reshape(-1)
    d_depths = d_picture.depth.reshape(-1)
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
        if len(own) == 0:
            continue
        end = gather(own, splats, left, top, blocks)
        sums[: len(own) * WIDTH] = ZERO
        for row in range(min(TILE, height - top)):
            # As in the forward pass, but for all blocks at once: a sum per splat follows
            for number in range(end // BLOCK):
                reaches[number] = reaching(row, number * BLOCK, blocks)
            first = (top + row) * width + left
            v_red, v_green, v_blue = channels_at(d_colors, first, visible, border)
            red, green, blue = channels_at(colors, first, visible, border)
            covered = pixels_at(alphas, first, visible, border)
            metres = pixels_at(depths, first, visible, border)
            # depth = Σ w_i·z_i / alpha: by the quotient rule both get a share
            v_depth = pixels_at(d_depths, first, visible, border) / where(covered > ZERO, covered, ONE)
            v_alpha = pixels_at(d_alphas, first, visible, border) - v_depth * metres
            # R before the first splat: the whole pixel's share, see above
            rest = v_red * red + v_green * green + v_blue * blue
            rest = rest + v_depth * metres * covered - v_alpha * (ONE - covered)
            transmittance = where(lanes >= np.float32(visible), ZERO, ONE)
            block, block_sums, reach = -BLOCK, -WIDTH * WIDTH, 0
            while True:
                while reach == 0 and block + BLOCK < end:
                    block += BLOCK
                    block_sums += WIDTH * WIDTH
                    reach = reaches[block // BLOCK]
                if reach == 0:
                    break
                number = lowest(reach)
                place = block + number
                reach &= reach - 1
                u, raw, a = alpha_in_row(lanes, blocks, place)
                w = transmittance * a
                # c_i·V of all channels, depth included
                share = fma(v_depth, peek(blocks, place + P_DEPTH), v_blue * peek(blocks, place + P_BLUE))
                share = fma(
                    v_green, peek(blocks, place + P_GREEN), fma(v_red, peek(blocks, place + P_RED), share)
                )
                rest = rest - w * share
                # ∂loss/∂a_i, equation above
                d_a = transmittance * share - rest / (ONE - a)
                transmittance = transmittance - w
                alive = transmittance > T_MIN
                w = where(alive, w, ZERO)
                # ∂a/∂(8·e) = a, and 0 where alpha is clamped
                g = where(alive, where(raw > A_MAX, ZERO, a) * d_a, ZERO)
                v = np.float32(row) - peek(blocks, place + P_Y)
                gu = g * u
                # Sums over the row's pixels; the upper half is multiplied by v for the last two
                total = eight_sums((g, gu, gu * u, w * v_red, w * v_green, w * v_blue, w * v_depth, g * v))
                splat_sums = block_sums + number * WIDTH
                store(sums, splat_sums, fma(total, where(upper_half, v, ONE), load(sums, splat_sums)))
                if bits(alive) == 0:
                    break
        # Each splat's sums go to the place of its pair with this tile
        for i in range(len(own)):
            splat = own[i]
            wide = rects[splat, RIGHT] - rects[splat, LEFT]
            before = (tile_row - rects[splat, TOP]) * wide + tile_column - rects[splat, LEFT]
            pair = out.first[splat] + before
            for k in range(8):
                pair_sums[pair, k] = sums[i * WIDTH + k]
            pair_sums[pair, 8] = sums[i * WIDTH + 9]
            pair_sums[pair, 9] = sums[i * WIDTH + 15]
