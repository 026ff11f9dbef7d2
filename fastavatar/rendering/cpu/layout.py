"""What stands where in the arrays that kernels share.

A splat's alpha at a pixel (x, y) is exp(8·e) with

    e = log_opacity − narrow·u² − flat·v²,   v = y − center_y,   u = x − center_x − shear·v

which is the Gaussian's exponent with the square completed in x. Written so, nothing cancels however thin the
splat, e is never above log_opacity, and a row of pixels shares everything but u. The eighth part is kept so
that exp needs no range reduction: a polynomial, squared three times.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int32]
Longs: TypeAlias = NDArray[np.int64]
Keys: TypeAlias = NDArray[np.uint64]

# A splat's record. A centre is kept as whole pixels and the rest: float32 alone is 3e-5 px off at x = 500.
X_WHOLE, X_REST, Y_WHOLE, Y_REST, SHEAR, NARROW, FLAT, LOG_OPACITY, RED, GREEN, BLUE, DEPTH = range(12)
SPLAT = 12

# A splat's gradient, summed over pixels: g = ∂loss/∂(8·e), w = the splat's weight in the pixel, and the
# gradients of the loss by the pixel's colour and depth.
G, GU, GUU, W_RED, W_GREEN, W_BLUE, W_DEPTH, GV, GUV, GVV = range(10)
SUMS = 10

# A camera as float64: rotation row by row, translation, focal lengths and principal point, centre.
ROTATION, TRANSLATION, FOCAL_X, FOCAL_Y, PRINCIPAL_X, PRINCIPAL_Y, CENTER = 0, 9, 12, 13, 14, 15, 16

# The tiles a splat touches: columns LEFT to RIGHT − 1, rows TOP to BOTTOM − 1.
LEFT, RIGHT, TOP, BOTTOM = range(4)

CHUNK = 512
"""Gaussians in a unit of work: few enough that threads end together, enough that taking one costs nothing."""


# What kernels take and fill, as named tuples, whose fields numba passes as so many arguments.


class KernelCamera(NamedTuple):
    """A camera and the size of its picture."""

    camera: Doubles
    """(19,) as above."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


class Parameters(NamedTuple):
    """The five parameters of N Gaussians, or the gradients by them."""

    means: Floats
    """(N, 3)"""
    quats_wxyz: Floats
    """(N, 4)"""
    log_scales: Floats
    """(N, 3)"""
    opacity_logits: Floats
    """(N,)"""
    sh: Floats
    """(N, K, 3)"""


class Projection(NamedTuple):
    """What projecting N Gaussians gives."""

    splats: Floats
    """(N, SPLAT) records."""
    rects: Ints
    """(N, 4) tiles that each splat touches; empty where it is not drawn."""
    keys: Keys
    """(N,) the depth's bits above the index: sorting keys sorts by depth, ties by index; all ones for what is
    not drawn."""
    covers: Ints
    """(chunks, tile rows) how many tiles of each row the splats of each chunk touch."""
    finite: NDArray[np.bool_]
    """(chunks,) whether every parameter of the chunk is finite."""


class TileLists(NamedTuple):
    """The splats of every tile."""

    starts: Longs
    """(tiles + 1,) where each tile's list begins in `indices`."""
    indices: Ints
    """(pairs,) splats, tile by tile, each tile's from near to far."""
    longest: int
    """Splats in the fullest tile."""
    splats: Floats
    """(N, SPLAT) records."""


class Pairs(NamedTuple):
    """The pairs of a splat and a tile it touches, in the order of the splats."""

    rects: Ints
    """(N, 4) as in `Projection`."""
    first: Longs
    """(N + 1,) where each splat's pairs begin; its tiles are in reading order."""
    sums: Floats
    """(pairs, SUMS) the splat's gradient, summed over the pixels of the tile."""


class Picture(NamedTuple):
    """A picture, or the gradients by it; in gradients `alpha` and `depth` may be empty for zero."""

    image: Floats
    """(H, W, 3)"""
    alpha: Floats
    """(H, W)"""
    depth: Floats
    """(H, W) metres."""
