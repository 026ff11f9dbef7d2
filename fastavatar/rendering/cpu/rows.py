"""The splats of one tile, and which of them reach a row of its pixels; forward and backward use both.

A row's sixteen pixels stay in registers while its splats pass by, so a tile is drawn row by row, not splat by
splat. The splats that reach a row are found sixteen at a time.
"""

import math
from typing import Any

import numpy as np

from fastavatar.rendering import (
    ALPHA_MAX,
    ALPHA_MIN,
    BLUE,
    DEPTH,
    FLAT,
    GREEN,
    LOG_OPACITY,
    NARROW,
    RED,
    SHEAR,
    TILE,
    TRANSMITTANCE_MIN,
    WIDTH,
    X_REST,
    X_WHOLE,
    Y_REST,
    Y_WHOLE,
    Floats,
    Ints,
    bits,
    fma,
    inlined,
    load,
    load_channels,
    peek,
    spread,
    store,
    where,
)

E_MIN = np.float32(math.log(ALPHA_MIN) / 8)
E_NEVER = np.float32(-1e30)
T_MIN = np.float32(TRANSMITTANCE_MIN)
A_MAX = np.float32(ALPHA_MAX)
ZERO, ONE = np.float32(0), np.float32(1)

_E_NEAR_MIN = np.float32(math.log(ALPHA_MIN) / 8 - 1e-4)  # so that rounding here never decides
_HALF = np.float32((TILE - 1) / 2)

# A tile's splats lie in blocks of sixteen, each with these planes; the last two hold for the row at hand.
PLANES = 12
BLOCK = PLANES * WIDTH
P_X, P_Y, P_SHEAR, P_NARROW, P_FLAT, P_TOP, P_RED, P_GREEN, P_BLUE, P_DEPTH, P_CENTER, P_PEAK = range(
    0, BLOCK, WIDTH
)

# exp(x) for −0.705 ≤ x ≤ 0.015, relative error 9e-8, by iteratively reweighted least squares.
_EXP = tuple(
    np.float32(c)
    for c in (
        1.0000000074735145,
        0.9999948032333857,
        0.49989879671911347,
        0.16602124892207648,
        0.039832792631926184,
        0.005874576587906397,
    )
)


@inlined
def exp_of_eightfold(e: Any) -> Any:
    """exp(8·e) for 8·e between the logarithm of the least alpha and 0; outside that range any number."""
    # Horner's rule for exp(e), then three squarings: exp(8·e) = exp(e)⁸
    root = fma(fma(fma(fma(fma(e, _EXP[5], _EXP[4]), e, _EXP[3]), e, _EXP[2]), e, _EXP[1]), e, _EXP[0])
    square = root * root
    fourth = square * square
    return fourth * fourth


@inlined
def alpha_in_row(lanes: Any, blocks: Floats, place: int) -> tuple[Any, Any, Any]:
    """A splat's alpha at the pixels of a row: u, distances from its vertex; alpha before clamping; alpha.

    `reaching` has written the splat's centre and peak in the row to `blocks` (n,); alpha = exp(8·e), see
    `layout`.
    """
    u = lanes - peek(blocks, place + P_CENTER)
    e = fma(u * u, peek(blocks, place + P_NARROW), peek(blocks, place + P_PEAK))
    raw = exp_of_eightfold(e)
    clamped = where(raw > A_MAX, A_MAX, raw)
    return u, raw, where(e >= E_MIN, clamped, ZERO)


@inlined
def aligned(count: int) -> Floats:
    """An array (count,) that begins at a cache line, so that no vector of it straddles two."""
    room = np.empty(count + WIDTH, np.float32)
    skipped = -(room.ctypes.data // 4) % WIDTH
    return room[skipped : skipped + count]


@inlined
def gather(indices: Ints, splats: Floats, left: int, top: int, blocks: Floats) -> int:
    """Lay out the splats `indices` (n,) in `blocks`, and return the place after the last block.

    Coordinates are counted from the centre of pixel (left, top).
    """
    x, y = np.float32(left + 0.5), np.float32(top + 0.5)
    end = (len(indices) + WIDTH - 1) // WIDTH * BLOCK
    if end > 0:  # unused places of the last block hold splats of no opacity
        blocks[end - BLOCK : end] = ZERO
        blocks[end - BLOCK + P_TOP : end - BLOCK + P_TOP + WIDTH] = E_NEVER
    for i in range(len(indices)):
        splat = splats[indices[i]]
        place = i // WIDTH * BLOCK + i % WIDTH
        # Whole pixels first: their difference is exact in float32, the rest is below 1
        blocks[place + P_X] = (splat[X_WHOLE] - x) + splat[X_REST]
        blocks[place + P_Y] = (splat[Y_WHOLE] - y) + splat[Y_REST]
        blocks[place + P_SHEAR] = splat[SHEAR]
        # Signs as `composite` adds the terms: e = top − narrow·u² − flat·v²
        blocks[place + P_NARROW] = -splat[NARROW]
        blocks[place + P_FLAT] = -splat[FLAT]
        blocks[place + P_TOP] = splat[LOG_OPACITY]
        blocks[place + P_RED] = splat[RED]
        blocks[place + P_GREEN] = splat[GREEN]
        blocks[place + P_BLUE] = splat[BLUE]
        blocks[place + P_DEPTH] = splat[DEPTH]
    return end


@inlined
def reaching(row: int, block: int, blocks: Floats) -> int:
    """Which splats of the block at place `block` of `blocks` (n,) may colour a pixel of `row`, one bit each.

    Writes their centres and peaks in that row to the last two planes of the block.
    """
    # With v fixed the exponent is a parabola in x: its vertex is `center`, its top `peak`
    v = np.float32(row) - load(blocks, block + P_Y)
    center = fma(v, load(blocks, block + P_SHEAR), load(blocks, block + P_X))
    peak = fma(load(blocks, block + P_FLAT), v * v, load(blocks, block + P_TOP))
    store(blocks, block + P_CENTER, center)
    store(blocks, block + P_PEAK, peak)
    # u is the distance from the vertex to the nearest pixel of the row, 0 where the vertex is inside
    aside = center - _HALF
    beyond = where(aside > ZERO, aside, ZERO - aside) - _HALF
    u = where(beyond > ZERO, beyond, ZERO)
    return bits(fma(u * u, load(blocks, block + P_NARROW), peak) >= _E_NEAR_MIN)  # type: ignore[no-any-return]


@inlined
def channels_at(colors: Floats, first: int, visible: int, border: Floats) -> tuple[Any, Any, Any]:
    """Three channels of the pixels from `first` on, of `colors` (3·P,); invisible ones hold anything finite.

    `border` is room for a row that the picture's edge cuts short.
    """
    if visible == WIDTH:
        return load_channels(colors, 3 * first)  # type: ignore[no-any-return]
    border[: 3 * visible] = colors[3 * first : 3 * (first + visible)]
    return load_channels(border, 0)  # type: ignore[no-any-return]


@inlined
def pixels_at(values: Floats, first: int, visible: int, border: Floats) -> Any:
    """One number of `values` (P,) for each pixel from `first` on; zero where there are no values at all."""
    if len(values) == 0:
        return spread(ZERO)
    if visible == WIDTH:
        return load(values, first)
    border[:visible] = values[first : first + visible]
    return load(border, 0)
