"""Gaussians that follow a surface, and joints, as far as they are attached to them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from fastavatar.core import Gaussians
from fastavatar.geometry import (
    matrix_from_quaternion_wxyz,
    multiply_quaternions_wxyz,
    rotate_each,
)
from fastavatar.rig import HEAD, LEFT_EYE, NECK, RIGHT_EYE, MovedSurface


@dataclass(frozen=True)
class Attachment:
    """What each of N Gaussians hangs on."""

    corners: Tensor
    """(N, 3) vertices of the triangle that each follows."""
    weights: Tensor
    """(N, 3) barycentric weights, times how closely each Gaussian follows: rows sum to 0…1."""
    from_surface: Tensor
    """(N, 3) from the place on the surface to the Gaussian at rest, metres."""
    joints: Tensor
    """(N, 4) how much each follows neck, head, left and right eye; the rest of 1 stays with the torso."""

    def subset(self, index: Tensor) -> "Attachment":
        """The attachment of the Gaussians that `index` selects."""
        return Attachment(
            self.corners[index], self.weights[index], self.from_surface[index], self.joints[index]
        )


@dataclass(frozen=True)
class Followers:
    """Gaussians that a surface moves, with what can be computed before any pose."""

    index: Tensor
    """(M,) which of the N Gaussians."""
    attachment: Attachment
    """Theirs."""
    squares: Tensor
    """(M, 3, 6) products aᵢaⱼ of each axis a of each Gaussian, twice off the diagonal."""

    @classmethod
    def of(cls, gaussians: Gaussians, attachment: Attachment, moving: Tensor) -> "Followers":
        """Those of N Gaussians that hang on any of the vertices `moving` (M,)."""
        moves = torch.zeros(int(attachment.corners.max()) + 1, dtype=torch.bool)
        moves[moving[moving < len(moves)]] = True
        index = (moves[attachment.corners] & (attachment.weights > 0)).any(1).nonzero()[:, 0]
        axes = matrix_from_quaternion_wxyz(gaussians.quats_wxyz[index]).mT
        x, y, z = axes.unbind(2)
        squares = torch.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], 2)
        return cls(index, attachment.subset(index), squares)

    def moved(self, rest: Gaussians, surface: MovedSurface) -> Gaussians:
        """All N Gaussians with these where the surface takes them."""
        hold = self.attachment
        at = embedding_bag(hold.corners, surface.stacked(), mode="sum", per_sample_weights=hold.weights)
        offset, turn, stretch = at[:, :3], at[:, 3:7], at[:, 7:]
        # What is not held closely turns less: the rest of the weight is no rotation
        turn = normalize(torch.cat([turn[:, :1] + 1 - hold.weights.sum(1, keepdim=True), turn[:, 1:]], 1))
        means = rest.means[self.index] + offset + _turned_by(turn, hold.from_surface) - hold.from_surface
        # |F a|² = 1 + aᵀ (FᵀF − 1) a for each axis a
        longer = (self.squares @ stretch[:, :, None])[:, :, 0]
        scales = rest.log_scales[self.index] + torch.log1p(longer.clamp(SHORTEST**2 - 1, LONGEST**2 - 1)) / 2
        quats = multiply_quaternions_wxyz(turn, rest.quats_wxyz[self.index])
        return replace(
            rest,
            means=rest.means.index_copy(0, self.index, means),
            quats_wxyz=rest.quats_wxyz.index_copy(0, self.index, quats),
            log_scales=rest.log_scales.index_copy(0, self.index, scales),
            sh=turned_colors(rest.sh, self.index, turn),
        )


SHORTEST: float = 0.3
LONGEST: float = 2.5
"""An axis is not compressed to less than this, so that folded skin still covers, nor stretched to
more than this: skin that comes out of a fold has discs of its own."""


def jointed(
    gaussians: Gaussians, joints: Tensor, quats: Tensor, rotations: Tensor, shifts: Tensor
) -> Gaussians:
    """Gaussians as joints turn them, `joints` (N, 4) being how much each follows.

    Quaternions (4, 4), rotations (4, 3, 3) and shifts (4, 3) are those of `joint_motions`.
    """
    means = gaussians.means
    own = torch.zeros(1, 4).to(quats)
    own[:, 0] = 1
    turns = normalize(own + joints[:, : HEAD + 1] @ (quats[: HEAD + 1] - own))
    for eye in (LEFT_EYE, RIGHT_EYE):
        index = joints[:, eye].nonzero()[:, 0]
        share = joints[index, eye, None]
        looked = means[index] + share * (means[index] @ rotations[eye].T + shifts[eye] - means[index])
        means = means.index_copy(0, index, looked)
        rolled = normalize(own + share * (quats[eye] - own))
        turns = turns.index_copy(0, index, multiply_quaternions_wxyz(turns[index], rolled))
    carried = [means @ rotations[joint].T + shifts[joint] - means for joint in (NECK, HEAD)]
    return replace(
        gaussians,
        means=means + joints[:, NECK, None] * carried[NECK] + joints[:, HEAD, None] * carried[HEAD],
        quats_wxyz=multiply_quaternions_wxyz(turns, gaussians.quats_wxyz),
        sh=turned_colors(gaussians.sh, torch.arange(len(means)), turns),
    )


def _turned_by(quats_wxyz: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (N, 3) turned by unit quaternions (N, 4): v + 2 w (r × v) + 2 r × (r × v)."""
    r = quats_wxyz[:, 1:]
    across = 2 * torch.linalg.cross(r, vectors)
    turned: Tensor = vectors + quats_wxyz[:, :1] * across + torch.linalg.cross(r, across)
    return turned


def turned_colors(sh: Tensor, index: Tensor, turns_wxyz: Tensor) -> Tensor:
    """Coefficients (N, K, 3), those at `index` (M,) turned; the constant band has no direction."""
    if sh.shape[1] == 1:
        return sh
    turned = rotate_each(sh[index], matrix_from_quaternion_wxyz(turns_wxyz))
    return sh.index_copy(0, index, turned)
