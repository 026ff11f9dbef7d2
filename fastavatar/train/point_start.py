"""What a point predictor starts from: nothing, a pretrained DINOv2, or a point predictor trained before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fastavatar.errors import InputError
from fastavatar.models.published import (
    IMAGE_PX,
    Dinov2,
    Dinov2Sizes,
    PointPredictor,
    PointPredictorSizes,
    load_point_predictor,
    load_strictly,
    sizes_of,
    start_linears,
)
from fastavatar.weights import read_checkpoint, read_metadata

_OWN_PREFIX = "encoder."
"""Prefix of all names in checkpoints of the point predictor."""
_LAST_LAYER = 0.1  # share of Glorot's weights: little is added to the means at first


@dataclass(frozen=True)
class BackboneSettings:
    """A vision transformer in DINOv2's layout; a pretrained one brings sizes of its own."""

    width: int
    """Length of a token, a multiple of 64."""
    depth: int
    """Number of blocks."""
    hidden: int
    """Width inside a block's MLP."""
    patch: int
    """Side of a patch in pixels, of 224."""

    def sizes(self) -> Dinov2Sizes:
        """The sizes of the network, with a position for each patch."""
        side = IMAGE_PX // max(1, self.patch)
        return Dinov2Sizes(self.width, self.depth, self.hidden, self.patch, 1 + side**2)


@dataclass(frozen=True)
class PointMeans:
    """What a new network predicts at first."""

    shape: Tensor
    """(N, 3) mean points, metres."""
    pose: Tensor
    """(9,) mean of the cameras' rotations to the world, their first two rows, and of their places."""


def start_points(
    settings: BackboneSettings, heads: Sequence[int], means: PointMeans, pretrained: Path | None
) -> PointPredictor:
    """A point predictor whose heads have hidden layers of the widths `heads`.

    `pretrained` is a file of DINOv2 in its own layout, or of a point predictor, whose heads and mean shape
    are kept where they have the same sizes. Raises `WeightsError` for any other file, `InputError` for sizes
    that no network can have.
    """
    given = None if pretrained is None else _read(pretrained)
    dino = given.dino if isinstance(given, PointPredictor) else given
    sizes = settings.sizes() if dino is None else _sizes(dino)
    widths = [sizes.width, *heads]
    wanted = PointPredictorSizes(sizes, [*widths, 3 * len(means.shape)], [*widths, 9], residuals=True)
    if (fault := wanted.fault()) is not None:
        raise InputError(f"no point predictor can be made: {fault}")
    predictor = PointPredictor(wanted)
    if isinstance(given, PointPredictor) and _shapes(given) == _shapes(predictor):
        return given
    _start_heads(predictor, means)
    if dino is not None:
        predictor.dino.load_state_dict(dino.state_dict())
        return predictor
    _start_backbone(predictor.dino)
    return predictor


def _start_heads(predictor: PointPredictor, means: PointMeans) -> None:
    with torch.no_grad():
        for head in (predictor.points_projector, predictor.pose_projector):
            _last(head).weight.mul_(_LAST_LAYER)
        _last(predictor.pose_projector).bias.copy_(means.pose)
        predictor.mean_shape.copy_(means.shape)


def _start_backbone(dino: Dinov2) -> None:
    """Let a backbone learn in few steps: Glorot's weights, whole branches, positions as strong as patches.

    With DINOv2's own start, positions of 0.02 and branches of 1e-5, the class token does not know where a
    patch lies for hundreds of steps, and so nothing of the pose.
    """
    start_linears(dino, nn.init.xavier_uniform_)
    nn.init.normal_(dino.pos_embed)
    for name, value in dino.named_parameters():
        if name.endswith("gamma"):
            nn.init.ones_(value)


def _last(head: nn.Sequential) -> nn.Linear:
    layer = head[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def _read(path: Path) -> PointPredictor | Dinov2:
    state = read_checkpoint(path, plain=True).state
    if any(name.startswith(_OWN_PREFIX) for name in state):
        return load_point_predictor(state, str(path), read_metadata(path))
    dino = Dinov2(sizes_of({name: tuple(value.shape) for name, value in state.items()}))
    load_strictly(dino, state, "DINOv2 backbone", str(path))
    return dino


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _sizes(dino: Dinov2) -> Dinov2Sizes:
    return sizes_of(_shapes(dino))
