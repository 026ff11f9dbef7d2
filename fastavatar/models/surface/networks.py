"""The network: features of a photo, looked up where a point projects, and a point's distance and colour.

photo, mask ─ U-Net ─▶ features (C, S/2, S/2) ─ at the pixel of a point ┐
point ─ Fourier features ──────────────────────────────────────────────┼─ MLP ─▶ colour, shift u, rest r
  └─ distance to the mean head ────────────────────────────────────────┘
distance of x = mean head's distance of x + u, and r

The mean head is a template that the shift deforms, so that its ears and lips move and do not blur; the rest
adds what it does not have (Deng et al. 2021, "Deformed implicit field").
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastavatar.models.surface import CENTER_M, RADIUS_M, bilinear, spline

PICTURE_CHANNELS = 4
"""Red, green, blue on white, and the coverage of the person."""
CELLS = 128
"""Along a side of the cube about the unit sphere on whose corners the mean head's distance is known: they are
6.6 mm apart, and a cubic spline lies between."""
_LESS = 0.1
"""Factor on the MLP's shift and rest, so that shifts of centimetres are numbers about 1."""
_TINY = 1e-12
_GROUPS = 8
_WIDEST = 64
"""Most features within the U-Net at the photo's resolution, where they cost most."""
_SHARPNESS = 200.0
"""The sigmoid of the sign at the start, in 1 / radii: a point 6 mm inside counts as inside by 95 %."""


@dataclass(frozen=True)
class SurfaceNetworkSettings:
    """The size of a network; its checkpoint holds them."""

    picture_px: int
    """Side of the photo's crop, a multiple of 32."""
    channels: int
    """Features of a pixel, a multiple of 8."""
    width: int
    """Hidden units of the MLP."""
    layers: int
    """Hidden layers of the MLP; the middle one also gets the input again."""
    frequencies: int
    """Octaves of the Fourier features of a point."""


class Field(NamedTuple):
    """What the network says of N points in B pictures."""

    distances: Tensor
    """(B, N) in radii of the unit sphere, negative inside."""
    colors: Tensor
    """(B, N, 3) sRGB in 0…1."""


class LookedAt(NamedTuple):
    """B pictures as the network looks at them."""

    features: Tensor
    """(B, C, S/2, S/2) of the pixels, whose own values stand beside them in full resolution."""
    pictures: Tensor
    """(B, 4, S, S)"""
    projections: Tensor
    """(B, 3, 4) from points of the head frame, metres, to pixels times depth: K [R | t]."""


class SurfaceNetwork(nn.Module):
    """Signed distance and colour of points from one photo; starts as the mean head."""

    mean_distances: Tensor

    def __init__(self, settings: SurfaceNetworkSettings, mean_distances: Tensor) -> None:
        """`mean_distances` (`CELLS` + 1 along each axis) are the coefficients of a spline, in radii."""
        super().__init__()
        self.settings = settings
        self.register_buffer("mean_distances", mean_distances)
        self.pictures = UNet(settings.channels)
        self.log_sharpness = nn.Parameter(torch.tensor(_SHARPNESS).log())
        given = settings.channels + PICTURE_CHANNELS + 3 + 6 * settings.frequencies + 1
        self.again_at = settings.layers // 2
        sizes = [given] + [settings.width] * settings.layers
        sizes[self.again_at] += given if self.again_at else 0
        self.hidden = nn.ModuleList(nn.Linear(size, settings.width) for size in sizes[:-1])
        self.shift_and_rest = nn.Linear(settings.width, 4)
        self.color = nn.Linear(settings.width, 3)
        nn.init.zeros_(self.shift_and_rest.weight)
        nn.init.zeros_(self.shift_and_rest.bias)

    def look(self, pictures: Tensor, projections: Tensor) -> LookedAt:
        """Pictures (B, 4, S, S), in 0…1, for `forward`, with projections (B, 3, 4) into them."""
        return LookedAt(self.pictures(pictures), pictures, projections)

    def forward(self, seen: LookedAt, points: Tensor) -> Field:
        """The field at points (B, N, 3), metres, head frame."""
        batch, count, _ = points.shape
        pixels = projected(points, seen.projections)
        local = torch.cat([bilinear(seen.features, pixels / 2), bilinear(seen.pictures, pixels)], -1)
        places = (points - torch.tensor(CENTER_M).to(points)) / RADIUS_M
        mean = self._mean(places)[..., None]
        given = torch.cat([local, fourier(places, self.settings.frequencies), mean], -1)
        values = given
        for index, layer in enumerate(self.hidden):
            if index and index == self.again_at:
                values = torch.cat([values, given], -1)
            values = functional.silu(layer(values))
        changes = _LESS * self.shift_and_rest(values)
        distances = self._mean(places + changes[..., :3]) + changes[..., 3]
        return Field(distances, torch.sigmoid(self.color(values)))

    @property
    def sharpness(self) -> Tensor:
        """() how fast the sign changes across the surface, in 1 / radii."""
        found: Tensor = self.log_sharpness.exp()
        return found

    def _mean(self, places: Tensor) -> Tensor:
        """Distances (B, N) of the mean head at places (B, N, 3) in the sphere; beyond its cube they grow."""
        within = places.clamp(-1, 1)
        # The root of 0 has no second derivative
        beyond: Tensor = ((places - within).square().sum(-1) + _TINY).sqrt() - _TINY**0.5
        cells = (within.reshape(-1, 3) + 1) * (CELLS / 2)
        inner: Tensor = spline(self.mean_distances, cells).reshape(beyond.shape)
        return inner + beyond


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


def fourier(places: Tensor, octaves: int) -> Tensor:
    """(..., 3 + 6 L) places (..., 3) with sines and cosines of π 2^k times them (Mildenhall et al. 2020)."""
    scaled = places[..., None, :] * (torch.pi * 2.0 ** torch.arange(octaves, device=places.device))[:, None]
    waves = torch.cat([scaled.sin(), scaled.cos()], -1).flatten(-2)
    return torch.cat([places, waves], -1)


def projected(points: Tensor, projections: Tensor) -> Tensor:
    """Pixels (B, N, 2) of points (B, N, 3); a point behind the camera gets a pixel far away."""
    on_plane = points @ projections[:, :, :3].transpose(1, 2) + projections[:, None, :, 3]
    return on_plane[..., :2] / on_plane[..., 2:].clamp(min=1e-3)
