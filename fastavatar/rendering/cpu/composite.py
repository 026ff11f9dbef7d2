"""Blending each tile's splats from front to back."""

import numpy as np

from fastavatar.rendering import (
    BLOCK,
    ONE,
    P_BLUE,
    P_DEPTH,
    P_GREEN,
    P_RED,
    T_MIN,
    TILE,
    WIDTH,
    ZERO,
    Floats,
    Longs,
    Picture,
    TileLists,
    aligned,
    alpha_in_row,
    bits,
    fetch_add,
    fma,
    gather,
    kernel,
    lane_numbers,
    lowest,
    peek,
    reaching,
    spread,
    store,
    store_channels,
    where,
)


@kernel
def composite(
    counter: Longs,
    lists: TileLists,
    background: Floats,
    out: Picture,
) -> None:
    """Fill the picture `out` over `background` (3,), in tiles taken from `counter` (1,)."""
    starts, indices, splats = lists.starts, lists.indices, lists.splats
    height, width = out.alpha.shape
    columns = (width + TILE - 1) // TILE
    blocks = aligned((lists.longest // WIDTH + 1) * BLOCK)
    border = np.empty(5 * WIDTH, np.float32)
    colors, alphas, depths = out.image.reshape(-1), out.alpha.reshape(-1), out.depth.reshape(-1)
    lanes = lane_numbers()
    while True:
        tile = fetch_add(counter)
        if tile >= len(starts) - 1:
            break
        left, top = tile % columns * TILE, tile // columns * TILE
        visible = min(TILE, width - left)
        own = indices[starts[tile] : starts[tile + 1]]
        end = gather(own, splats, left, top, blocks)
        for row in range(min(TILE, height - top)):
            # Lanes beyond the picture's border start opaque, so that nothing is added there
            transmittance = where(lanes >= np.float32(visible), ZERO, ONE)
            red, green, blue = spread(ZERO), spread(ZERO), spread(ZERO)
            metres, covered = spread(ZERO), spread(ZERO)
            block, reach = -BLOCK, 0
            while True:
                # The next block with a splat that reaches this row
                while reach == 0 and block + BLOCK < end:
                    block += BLOCK
                    reach = reaching(row, block, blocks)
                if reach == 0:
                    break
                # The nearest such splat; its bit is then cleared
                place = block + lowest(reach)
                reach &= reach - 1
                _, _, a = alpha_in_row(lanes, blocks, place)
                # w_i = T_i·a_i, T_{i+1} = T_i·(1 − a_i) (Kerbl et al. 2023, equation 3)
                w = transmittance * a
                transmittance = transmittance - w
                alive = transmittance > T_MIN
                # The splat that would end the pixel is left out, as gsplat does
                w = where(alive, w, ZERO)
                covered = covered + w
                red = fma(w, peek(blocks, place + P_RED), red)
                green = fma(w, peek(blocks, place + P_GREEN), green)
                blue = fma(w, peek(blocks, place + P_BLUE), blue)
                metres = fma(w, peek(blocks, place + P_DEPTH), metres)
                if bits(alive) == 0:
                    break
            # Background shows through what the splats left uncovered
            left_over = ONE - covered
            red = fma(left_over, background[0], red)
            green = fma(left_over, background[1], green)
            blue = fma(left_over, background[2], blue)
            # Mean depth, weighted as the colours are
            metres = metres / where(covered > ZERO, covered, ONE)
            pixel = (top + row) * width + left
            if visible == WIDTH:
                store_channels(colors, 3 * pixel, red, green, blue)
                store(alphas, pixel, covered)
                store(depths, pixel, metres)
            else:
                # A tile at the right border: only the visible pixels are copied
                store_channels(border, 0, red, green, blue)
                store(border, 3 * WIDTH, covered)
                store(border, 4 * WIDTH, metres)
                colors[3 * pixel : 3 * (pixel + visible)] = border[: 3 * visible]
                alphas[pixel : pixel + visible] = border[3 * WIDTH : 3 * WIDTH + visible]
                depths[pixel : pixel + visible] = border[4 * WIDTH : 4 * WIDTH + visible]
