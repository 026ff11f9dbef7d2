"""What stands where in the arrays that kernels share.

A splat's alpha at a pixel (x, y) is exp(8·e) with

    e = log_opacity − narrow·u² − flat·v²,   v = y − center_y,   u = x − center_x − shear·v

which is the Gaussian's exponent with the square completed in x. Written so, nothing cancels however thin the
splat, e is never above log_opacity, and a row of pixels shares everything but u. The eighth part is kept so
that exp needs no range reduction: a polynomial, squared three times.
"""

from typing import TypeAlias

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
VIEW = 19

# The tiles a splat touches: columns LEFT to RIGHT − 1, rows TOP to BOTTOM − 1.
LEFT, RIGHT, TOP, BOTTOM = range(4)

CHUNK = 512  # Gaussians to a unit of work
