"""Backbones: a picture's features as a whole, and at every place of it.

`convolutional` is small and trained with the rest. `dinov2` is the published DINOv2, whose weights are kept.
"""

from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastavatar.models.published import Dinov2, Dinov2Sizes
from fastavatar.models.surface import PICTURE_CHANNELS

Kind = Literal["convolutional", "dinov2"]
_GROUPS = 8
_STRIDE = 16  # of the last map of the convolutional one, and the multiple that pictures' sides need
_SQUEEZED = 32  # channels of that map as it enters the features of the whole
_DINO_PX = 224  # what DINOv2 was trained on
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Features(NamedTuple):
    """What a backbone sees in V pictures."""

    whole: Tensor
    """(V, C)"""
    maps: tuple[Tensor, ...]
    """Maps (V, Cₖ, Hₖ, Wₖ) that span the whole picture, the finest first."""


class Backbone(Protocol):
    """Pictures to features."""

    whole_channels: int
    """C of `Features.whole`."""
    map_channels: int
    """Sum of the channels of all maps."""

    def __call__(self, pictures: Tensor) -> Features:
        """The features of pictures (V, 4, S, S) in 0…1."""


class Convolutional(nn.Module):
    """Seven convolutions, each place of the last map with weights of its own: crops have one framing."""

    def __init__(self, picture_px: int, channels: int) -> None:
        """`picture_px` is a multiple of 16, `channels` of 32."""
        super().__init__()
        quarter, half = channels // 4, channels // 2
        self.fine = nn.Sequential(_convolution(PICTURE_CHANNELS, 16, 2), _convolution(16, quarter, 1))
        self.middle = nn.Sequential(_convolution(quarter, half, 2), _convolution(half, half, 1))
        self.coarse = nn.Sequential(_convolution(half, channels, 2), _convolution(channels, channels, 2))
        self.squeeze = nn.Conv2d(channels, _SQUEEZED, 1)
        self.whole_channels = _SQUEEZED * (picture_px // _STRIDE) ** 2
        self.map_channels = PICTURE_CHANNELS + quarter + half

    def forward(self, pictures: Tensor) -> Features:
        """See `Backbone`."""
        fine = self.fine(pictures)
        middle = self.middle(fine)
        return Features(self.squeeze(self.coarse(middle)).flatten(1), (pictures, fine, middle))


class Frozen(nn.Module):
    """DINOv2's class token, and its patches as a map; not trained."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, sizes: Dinov2Sizes) -> None:
        super().__init__()
        self.network = Dinov2(sizes).requires_grad_(False)
        self.whole_channels = sizes.width
        self.map_channels = PICTURE_CHANNELS + sizes.width
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(_IMAGENET_DEVIATION)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> Features:
        """See `Backbone`."""
        with torch.no_grad():
            larger = functional.interpolate(pictures[:, :3], (_DINO_PX, _DINO_PX), mode="bilinear")
            tokens = self.network.embed((larger - self.mean) / self.deviation)
            for block in self.network.blocks:
                tokens = block(tokens)
            tokens = self.network.norm(tokens)
        side = round((tokens.shape[1] - 1) ** 0.5)
        patches = tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        return Features(tokens[:, 0], (pictures, patches))


def make_backbone(kind: Kind, picture_px: int, channels: int, sizes: Dinov2Sizes | None = None) -> Backbone:
    """A new backbone; `sizes` are DINOv2's, by default ViT-B/14's."""
    if kind == "dinov2":
        return Frozen(sizes or Dinov2Sizes())
    return Convolutional(picture_px, channels)


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(_GROUPS, outputs), nn.SiLU(inplace=True)
    )
