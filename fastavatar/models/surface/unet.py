"""Features of the pixels of a photo."""

import torch
from torch import Tensor, nn
from torch.nn import functional

PICTURE_CHANNELS = 4
"""Red, green, blue on white, and the coverage of the person."""
_GROUPS = 8
_WIDEST = 64
"""Most features within the U-Net at the photo's resolution, where they cost most."""


class UNet(nn.Module):
    """Features (B, C, S/2, S/2) of pictures (B, 4, S, S): five halvings, so that each sees most of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [min(channels, _WIDEST) * factor for factor in (1, 2, 4, 4, 4)]
        self.first = _block(PICTURE_CHANNELS, widths[0], 2)
        self.down = nn.ModuleList(_block(a, b, 2) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(_block(b + a, a, 1) for a, b in zip(widths, widths[1:], strict=False))
        self.last = nn.Conv2d(widths[0], channels, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """The features."""
        values = [self.first(2 * pictures - 1)]
        for block in self.down:
            values.append(block(values[-1]))
        result = values.pop()
        for block in reversed(self.up):
            finer = values.pop()
            larger = functional.interpolate(
                result, size=finer.shape[-2:], mode="bilinear", align_corners=False
            )
            result = block(torch.cat([larger, finer], 1))
        features: Tensor = self.last(result)
        return features


def _block(given: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(given, channels, 3, stride, 1),
        nn.GroupNorm(_GROUPS, channels),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 3, 1, 1),
        nn.GroupNorm(_GROUPS, channels),
        nn.SiLU(),
    )
