"""The transpose of blending: each splat takes the sum of the pixels, weighted by how much of them it is."""

import numpy as np

from fastavatar.rendering import (
    BLOCK,
    ONE,
    T_MIN,
    TILE,
    WIDTH,
    ZERO,
    Floats,
    Longs,
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
    reaching,
    spread,
    store,
    where,
)


@kernel
def gather_pixels(counter: Longs, lists: TileLists, image: Floats, sums: Floats) -> None:
    """Fill `sums` (pairs, 4), in the order of the tiles' lists, from an image (H, W, 3).

    The last sum is that of the weights alone.

    Tiles are taken from `counter` (1,). The weights are those by which `composite` blends.
    """
    starts, indices, splats = lists.starts, lists.indices, lists.splats
    height, width = image.shape[:2]
    columns = (width + TILE - 1) // TILE
    blocks = aligned((lists.longest // WIDTH + 1) * BLOCK)
    lane_sums = aligned(lists.longest * 4 * WIDTH)
    border = np.zeros(3 * WIDTH, np.float32)
    channels = image.reshape(-1)
    lanes = lane_numbers()
    none = spread(ZERO)
    while True:
        tile = fetch_add(counter)
        if tile >= len(starts) - 1:
            break
        left, top = tile % columns * TILE, tile // columns * TILE
        visible = min(TILE, width - left)
        own = indices[starts[tile] : starts[tile + 1]]
        end = gather(own, splats, left, top, blocks)
        lane_sums[: len(own) * 4 * WIDTH] = ZERO
        for row in range(min(TILE, height - top)):
            red, green, blue = channels_at(channels, (top + row) * width + left, visible, border)
            # As in the forward pass: lanes beyond the picture's border start opaque
            transmittance = where(lanes >= np.float32(visible), ZERO, ONE)
            block, first, reach = -BLOCK, -WIDTH, 0
            while True:
                while reach == 0 and block + BLOCK < end:
                    block += BLOCK
                    first += WIDTH
                    reach = reaching(row, block, blocks)
                if reach == 0:
                    break
                number = lowest(reach)
                reach &= reach - 1
                # w_i = T_i·a_i, T_{i+1} = T_i·(1 − a_i)
                _, _, a = alpha_in_row(lanes, blocks, block + number)
                w = transmittance * a
                transmittance = transmittance - w
                alive = transmittance > T_MIN
                w = where(alive, w, ZERO)
                # Lanes are summed once a tile, not once a row
                place = (first + number) * 4 * WIDTH
                store(lane_sums, place, fma(w, red, load(lane_sums, place)))
                place += WIDTH
                store(lane_sums, place, fma(w, green, load(lane_sums, place)))
                place += WIDTH
                store(lane_sums, place, fma(w, blue, load(lane_sums, place)))
                place += WIDTH
                store(lane_sums, place, w + load(lane_sums, place))
                if bits(alive) == 0:
                    break
        for i in range(len(own)):
            # Each pair of a splat and a tile has a place of its own, so threads do not meet
            place = i * 4 * WIDTH
            red, green = load(lane_sums, place), load(lane_sums, place + WIDTH)
            blue, weight = load(lane_sums, place + 2 * WIDTH), load(lane_sums, place + 3 * WIDTH)
            store(border, 0, eight_sums((red, green, blue, weight, none, none, none, none)))
            for channel in range(4):
                sums[starts[tile] + i, channel] = border[channel]
