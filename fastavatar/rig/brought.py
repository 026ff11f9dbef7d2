"""Which parts inside of its mouth a head brings: the embedded model goes on from what its photo shows."""

from collections.abc import Set

import numpy as np
from torch import Tensor

from fastavatar.geometry import Array
from fastavatar.head import ParametricHead
from fastavatar.rig import OWN_BEHIND_M, FittedHead

TEETH, ALL = frozenset({"teeth", "gums"}), frozenset({"teeth", "gums", "tongue", "mouth"})
LIPS, LIPS_APART_M = (13, 14), 0.006
"""Landmarks in the middle of the lips, 3 mm apart while they are shut, and the distance from which a photo
shows teeth between them."""
TOOTH_SATURATION = 0.5
"""Teeth are paler. Those of four heads have up to 0.33, but 0.73 where they took the colour of
painted lips."""
TONGUE_SEEN = 40
"""Splats on the tongue from which a photo shows it. An open mouth has 70; a smile has up to 14 between the
teeth, which are lower teeth rather than the tongue, so they give way to one."""


def brought_parts(
    head: ParametricHead, fitted: FittedHead, corners: Tensor, means: Array, colors: Array
) -> Set[str]:
    """Names of the parts inside of the mouth that a head shows well enough: they move as they are.

    Its Gaussians are bound to vertices `corners` (N, 3), lie at `means` (N, 3) and have sRGB `colors` (N, 3).
    The names are `teeth`, `gums`, `tongue`, and `mouth` for the cavity.
    """
    upper, lower = head.places.at(fitted.vertices)[list(LIPS)] @ fitted.axes[:, 1] / fitted.scale
    teeth, tongue = (head.region(name)[corners.numpy()].all(1) for name in ("teeth", "tongue"))
    if upper - lower < LIPS_APART_M or not teeth.any():
        return frozenset()
    saturation = 1 - colors[teeth].min(1) / np.maximum(colors[teeth].max(1), 1e-6)
    if np.median(saturation) > TOOTH_SATURATION:
        return frozenset()
    seen = fitted.view.sees(means[tongue], OWN_BEHIND_M * fitted.scale).sum()
    return ALL if seen >= TONGUE_SEEN else TEETH
