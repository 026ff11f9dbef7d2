"""A head that can be posed: Gaussians bound to a surface that expressions and joints move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, arkit_weights
from fastavatar.rig import (
    Attachment,
    ExpressiveSurface,
    Followers,
    Held,
    Reveal,
    eye_turns_deg,
    follow,
    joint_motions,
    jointed,
    require_weights,
)

Weights = Mapping[str, float] | Tensor | Array
"""Weights 0…1 of ARKit's expressions by name, or all (52,) in the order of `ARKIT_NAMES`."""
Angles = Sequence[float] | Tensor | Array
Gaze = Angles | Sequence[Sequence[float]]

_LOOKS = torch.tensor(
    [
        [ARKIT_NAMES.index(f"eyeLook{way}{side}") for way in ("Down", "In", "Out", "Up")]
        for side in ("Left", "Right")
    ]
)

_JAW_OPEN, _MOUTH_CLOSE = ARKIT_NAMES.index("jawOpen"), ARKIT_NAMES.index("mouthClose")


@dataclass(frozen=True)
class Rig:
    """A head bound to the parametric one; `bind` makes it."""

    rest: Gaussians
    """(N) the head at rest: its own Gaussians in their order, then those of the inside of the mouth and
    of the lids' folds, which are transparent until a movement uncovers them."""
    own: int
    """How many of them are the head's own."""
    surface: ExpressiveSurface
    attachment: Attachment
    followers: Followers
    """What gradients flow through."""
    held: Held
    """The same for poses without gradients."""
    reveal: Reveal
    joints: Tensor
    """(4, 3) places of neck, head, left and right eye, metres."""
    axes_wxyz: Tensor
    """(4,) rotation from the head's own axes, which angles count about, to those of the Gaussians."""
    shown: Tensor
    """(52,) weights that the head shows at rest."""
    gain: Tensor
    """(52,) factors that let lids which are open wider than the parametric head's close as well."""
    from_neutral: bool
    """Whether weights count from the neutral face, not from the expression at rest."""

    def pose(
        self, weights: Weights, head_turn: Angles = (0.0, 0.0, 0.0), gaze: Gaze = (0.0, 0.0)
    ) -> Gaussians:
        """The head with an expression, turned against its torso, and looking somewhere.

        At rest these are the head's own Gaussians, otherwise N as in `rest`.

        `weights` are ARKit's, 0…1; a tensor may carry gradients. At 0 an expression is as in the photo and at
        1 complete, so that a head that smiles already goes the rest of the way; with `from_neutral` 0 is a
        neutral face. `head_turn` (3,) is yaw, pitch and roll in degrees, signs as in `summary.json`: the face
        turns to the person's left, rises, tilts to the left shoulder. `gaze` (2,) is yaw and pitch of both
        eyes against the head in degrees, or (2, 2) of the left and of the right one, in addition to the
        `eyeLook…`.

        Raises `UsageError` for an unknown name, with the nearest known one, and for a weight outside 0…1,
        `InputError` for shapes that do not match and numbers that are not finite.
        """
        asked = _lips_within_jaw(self._checked(weights))
        change = asked - self.shown if self.from_neutral else asked * (1 - self.shown)
        surface = self.surface.moved(change * self.gain)
        turn, look = self._angles("head_turn", head_turn, 3), self._angles("gaze", gaze, 2, 2)
        eyes = eye_turns_deg(asked[_LOOKS], look)
        differentiable = surface.offsets.requires_grad or turn.requires_grad or eyes.requires_grad
        if not (differentiable or bool(change.any()) or bool(turn.any()) or bool(eyes.any())):
            return self.rest.subset(torch.arange(self.own))
        joints = None
        if differentiable or bool(turn.any()) or bool(eyes.any()):
            joints = joint_motions(self.joints, self.axes_wxyz, turn, eyes)
        if not differentiable:
            posed = follow(self.rest, self.held, surface.stacked(), joints)
        else:
            posed = self.followers.moved(self.rest, surface)
            if joints is not None:
                posed = jointed(posed, self.attachment.joints, *joints)
        return self.reveal.shown(posed, surface, change)

    def _checked(self, weights: Weights) -> Tensor:
        """Weights (52,) as a tensor of this rig's type."""
        if isinstance(weights, Mapping):
            weights = arkit_weights(weights)
        tensor = torch.as_tensor(weights)
        if tensor.shape != (len(ARKIT_NAMES),) or not bool(tensor.isfinite().all()):
            raise InputError(
                f"weights must be {len(ARKIT_NAMES)} finite numbers, found shape {tuple(tensor.shape)}"
            )
        require_weights(tensor.detach().cpu().numpy())
        return tensor.to(self.shown)

    def _angles(self, name: str, angles: Gaze, *shape: int) -> Tensor:
        tensor = torch.as_tensor(angles if isinstance(angles, Tensor) else np.asarray(angles, np.float64))
        if not bool(tensor.isfinite().all()) or tensor.shape not in (shape, shape[-1:]):
            raise InputError(f"{name} must be finite and of shape {shape}, found {tuple(tensor.shape)}")
        return tensor.to(self.shown).expand(shape)


def _lips_within_jaw(weights: Tensor) -> Tensor:
    """Weights (52,) with lips that close at most as far as the jaw is open.

    `mouthClose` is what shuts the lips of an open jaw; alone it would push the lower one through the upper.
    """
    jaw, lips = weights[_JAW_OPEN], weights[_MOUTH_CLOSE]
    return weights.index_copy(0, torch.tensor([_MOUTH_CLOSE]), torch.minimum(jaw, lips)[None])
