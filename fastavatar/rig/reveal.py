"""Shows what a movement uncovers, as far as it is uncovered."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Gaussians, encode_opacities
from fastavatar.head import ARKIT_NAMES, ParametricHead
from fastavatar.rig import FittedHead, MovedSurface

PARTED_M = (0.0004, 0.0025)
"""Lips that part by the first show nothing yet, by the second all that lies behind them."""
LIDS_FALL = (0.05, 0.4)
"""The same for blinks, in weights."""
CLOSED_OPACITY, OPEN_OPACITY = 1e-4, 0.99
"""Renderers leave out what is fainter than 1/255."""
GONE_LOGITS = 12.0
"""An opacity of 0.99 becomes 1/1600."""
UPPER_LIP, LOWER_LIP = (82, 13, 312), (178, 15, 402)
"""Landmarks across the middle of the mouth."""
_CAUSES = [ARKIT_NAMES.index(name) for name in ("tongueOut", "eyeBlinkLeft", "eyeBlinkRight")]


@dataclass(frozen=True)
class Reveal:
    """The last Gaussians of a head, transparent at rest, and what uncovers them."""

    first: int
    """Index of the first of them."""
    kinds: Tensor
    """(H,) `MOUTH`, `TONGUE`, `LEFT_LID` or `RIGHT_LID`."""
    replaced: Tensor
    """(R,) those of the head's own that they stand for: what a model put where its photo shows nothing."""
    replaced_kinds: Tensor
    """(R,) as `kinds`."""
    upper: Tensor
    """(U,) vertices on the edge of the upper lip, in the middle."""
    lower: Tensor
    """(U,) those opposite, on the lower lip."""
    down: Tensor
    """(3,) from upper to lower lip: a unit vector divided by the metres of a unit."""

    def shown(self, posed: Gaussians, surface: MovedSurface, change: Tensor) -> Gaussians:
        """The head with what is hidden as opaque as the lips are parted, or the lids fallen, since rest.

        `change` (52,) are the weights since rest.
        """
        gap_m = ((surface.offsets[self.lower] - surface.offsets[self.upper]) @ self.down).mean()
        tongue, left, right = change[_CAUSES].unbind()
        mouth = _smooth(gap_m, *PARTED_M)
        lids = [_smooth(lid, *LIDS_FALL) for lid in (left, right)]
        shares = torch.stack([mouth, torch.maximum(mouth, _smooth(tongue, 0, 1)), *lids])
        logits = encode_opacities(CLOSED_OPACITY + (OPEN_OPACITY - CLOSED_OPACITY) * shares)
        own = posed.opacity_logits[: self.first]
        fainter = own[self.replaced] - GONE_LOGITS * shares[self.replaced_kinds]
        own = own.index_copy(0, self.replaced, fainter)
        opacity_logits = torch.cat([own, logits[self.kinds]])
        return replace(posed, opacity_logits=opacity_logits)


def reveal_of(head: ParametricHead, fitted: FittedHead, kinds: Tensor, own_kinds: Tensor) -> Reveal:
    """What uncovers hidden parts, `kinds` (H,), and what they replace, where `own_kinds` (N,) is not −1."""
    vertices = fitted.vertices
    corner = head.places.weights.argmax(1)
    upper, lower = (head.places.corners[list(lip), corner[list(lip)]] for lip in (UPPER_LIP, LOWER_LIP))
    down = (vertices[lower] - vertices[upper]).mean(0)
    down /= np.linalg.norm(down) * fitted.scale
    replaced = (own_kinds >= 0).nonzero()[:, 0]
    lips = torch.from_numpy(upper), torch.from_numpy(lower)
    down = torch.from_numpy(down).float()
    return Reveal(len(own_kinds), kinds, replaced, own_kinds[replaced], *lips, down)


def _smooth(value: Tensor, start: float, end: float) -> Tensor:
    """Smoothstep from 0 at `start` to 1 at `end`."""
    share = ((value - start) / (end - start)).clamp(0, 1)
    return share * share * (3 - 2 * share)
