"""The splats of one tile, and those that reach one of its rows of pixels: shared by both directions.

A row's sixteen pixels stay in registers while its splats pass by, so a tile is worked off row by row and not
splat by splat. What that needs, the splats that reach each row, is found sixteen splats at a time.
"""

import math
from typing import Any

import numpy as np

from fastavatar.render.constants import ALPHA_MAX, ALPHA_MIN, TILE, TRANSMITTANCE_MIN
from fastavatar.render.cpu.kernel import inlined
from fastavatar.render.cpu.lanes import WIDTH, bits, fma, load, store, where
from fastavatar.render.cpu.layout import (
    BLUE,
    DEPTH,
    FLAT,
    GREEN,
    LOG_OPACITY,
    NARROW,
    RED,
    SHEAR,
    X_REST,
    X_WHOLE,
    Y_REST,
    Y_WHOLE,
    Floats,
    Ints,
)

E_MIN = np.float32(math.log(ALPHA_MIN) / 8)
E_NEVER = np.float32(-1e30)
T_MIN = np.float32(TRANSMITTANCE_MIN)
A_MAX = np.float32(ALPHA_MAX)
ZERO, ONE = np.float32(0), np.float32(1)

_E_NEAR_MIN = np.float32(math.log(ALPHA_MIN) / 8 - 1e-4)  # so that rounding here never decides
_HALF = np.float32((TILE - 1) / 2)

# Planes of a tile's splats; the last two hold for the row at hand.
P_X, P_Y, P_SHEAR, P_NARROW, P_FLAT, P_TOP, P_RED, P_GREEN, P_BLUE, P_DEPTH, P_CENTER, P_PEAK = range(12)
PLANES = 12

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
    """exp(8·e) where 8·e lies between the logarithm of the least alpha and 0; anything elsewhere."""
    root = fma(fma(fma(fma(fma(e, _EXP[5], _EXP[4]), e, _EXP[3]), e, _EXP[2]), e, _EXP[1]), e, _EXP[0])
    square = root * root
    fourth = square * square
    return fourth * fourth


@inlined
def gather(indices: Ints, splats: Floats, left: int, top: int, planes: Floats) -> None:
    """Lay out the splats `indices` (n,) in `planes` (PLANES, n and up to a full vector).

    Coordinates are counted from the centre of pixel (left, top).
    """
    count = len(indices)
    x = np.float32(left + 0.5)
    y = np.float32(top + 0.5)
    for i in range(count):
        splat = splats[indices[i]]
        planes[P_X, i] = (splat[X_WHOLE] - x) + splat[X_REST]
        planes[P_Y, i] = (splat[Y_WHOLE] - y) + splat[Y_REST]
        planes[P_SHEAR, i] = splat[SHEAR]
        planes[P_NARROW, i] = splat[NARROW]
        planes[P_FLAT, i] = splat[FLAT]
        planes[P_TOP, i] = splat[LOG_OPACITY]
        planes[P_RED, i] = splat[RED]
        planes[P_GREEN, i] = splat[GREEN]
        planes[P_BLUE, i] = splat[BLUE]
        planes[P_DEPTH, i] = splat[DEPTH]
    for i in range(count, (count + WIDTH - 1) // WIDTH * WIDTH):
        planes[:, i] = ZERO
        planes[P_TOP, i] = E_NEVER


@inlined
def reach_row(row: int, count: int, planes: Floats, reaching: Ints) -> int:
    """How many of the tile's `count` splats may colour a pixel of `row`.

    Their places in the tile go to `reaching`, in order.
    """
    found = 0
    y = np.float32(row)
    for first in range(0, count, WIDTH):
        v = y - load(planes[P_Y], first)
        center = fma(v, load(planes[P_SHEAR], first), load(planes[P_X], first))
        peak = load(planes[P_TOP], first) - load(planes[P_FLAT], first) * (v * v)
        store(planes[P_CENTER], first, center)
        store(planes[P_PEAK], first, peak)
        aside = center - _HALF
        beyond = where(aside > ZERO, aside, ZERO - aside) - _HALF
        u = where(beyond > ZERO, beyond, ZERO)
        reaches = bits(peak - load(planes[P_NARROW], first) * (u * u) >= _E_NEAR_MIN)
        for lane in range(WIDTH):
            reaching[found] = first + lane
            found += int((reaches >> np.uint32(lane)) & np.uint32(1))
    return found
