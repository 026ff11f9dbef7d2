"""The network: features of a photo, looked up where a point projects, and a point's distance and colour.

photo, mask ─ U-Net ─▶ features (C, S/2, S/2) ┬ at points of the mean head ─ MLP, regression ─▶ shift m ↺
                                              └ at the pixel of a point ┐
point ─ Fourier features ──────────────────────────────────────────────┼─ MLP ─▶ colour, shift u, rest r
  └─ distance to the mean head of x − m ───────────────────────────────┘
distance of x = mean head's distance of x − m + u, and r

The mean head is a template that the shifts deform, so that its ears and lips move and do not blur; the rest
adds what it does not have (Deng et al. 2021, "Deformed implicit field"). Shift m is that of the whole head,
along ways in which heads and shoulders are known to differ; u is each point's own.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fastavatar.errors import InputError
from fastavatar.head import MeanShape, common_movement
from fastavatar.models.surface import CENTER_M, PICTURE_CHANNELS, RADIUS_M, UNet, bilinear, spline

CELLS = 128
"""Along a side of the cube about the unit sphere on whose corners the mean head's distance is known: they are
6.6 mm apart, and a cubic spline lies between."""
ASKED = 1024
"""Points of the mean head that look at the photo."""
SHIFT_CELLS = 32
"""Along a side of the same cube, of how the mean head moves as a whole: 26 mm, as this is smooth."""
_LESS = 0.1
"""Factor on the MLP's shift and rest, so that shifts of centimetres are numbers about 1."""
_TINY = 1e-12
_CM = 0.01
"""Opinions are in centimetres."""
_AGREEMENTS = 2
"""Times that points look and agree."""
_AT_POINT = 64
"""Hidden units between what a point sees and its opinion."""
_RIDGE = 10.0
"""At the start, in square centimetres, for opinions that count 0.7 each."""
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
    ways: int
    """Ways in which the mean head can move as a whole: the first ones of `MeanShape`."""


class MeanHead(NamedTuple):
    """The mean head, and how people differ from it."""

    distances: Tensor
    """(`CELLS` + 1 along each axis) spline of its distances, in radii."""
    shape: MeanShape
    """`ASKED` points of it."""
    ways_in_space: Tensor
    """(K, X, Y, Z, 3) splines of the ways of moving, all over the cube about the unit sphere, float16."""


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
    moved: Tensor
    """(B, A, P, 3) metres: where P points of the mean head lie on the persons, after each agreement."""
    shifts: Tensor
    """(B, X, Y, Z, 3) spline of how far the persons lie from the mean head, in radii, all over its cube."""


class SurfaceNetwork(nn.Module):
    """Signed distance and colour of points from one photo; starts as the mean head."""

    mean_distances: Tensor
    points: Tensor
    normals: Tensor
    ways: Tensor
    ways_in_space: Tensor

    def __init__(self, settings: SurfaceNetworkSettings, start: MeanHead) -> None:
        """Raises `InputError` where `start` has fewer ways of moving than the settings ask for."""
        super().__init__()
        if settings.ways > len(start.shape.modes):
            raise InputError(f"network: ways must be at most {len(start.shape.modes)}")
        self.settings = settings
        self.register_buffer("mean_distances", start.distances)
        self.register_buffer("points", start.shape.points)
        self.register_buffer("normals", start.shape.normals)
        self.register_buffer("ways", start.shape.modes[: settings.ways])
        self.register_buffer("ways_in_space", start.ways_in_space[: settings.ways])
        known = settings.channels + PICTURE_CHANNELS + 1 + 3 + 3
        self.at_point = nn.Sequential(
            nn.Linear(known, _AT_POINT), nn.SiLU(), nn.Linear(_AT_POINT, _AT_POINT), nn.SiLU()
        )
        self.opinion = nn.Linear(_AT_POINT, 2)
        self.log_ridge = nn.Parameter(torch.tensor(_RIDGE).log())
        self.pictures = UNet(settings.channels)
        self.log_sharpness = nn.Parameter(torch.tensor(_SHARPNESS).log())
        given = settings.channels + PICTURE_CHANNELS + 3 + 6 * settings.frequencies + 1
        self.again_at = settings.layers // 2
        sizes = [given] + [settings.width] * settings.layers
        sizes[self.again_at] += given if self.again_at else 0
        self.hidden = nn.ModuleList(nn.Linear(size, settings.width) for size in sizes[:-1])
        self.shift_and_rest = nn.Linear(settings.width, 4)
        self.color = nn.Linear(settings.width, 3)
        for layer in (self.opinion, self.shift_and_rest):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def look(self, pictures: Tensor, projections: Tensor) -> LookedAt:
        """Pictures (B, 4, S, S), in 0…1, for `forward`, with projections (B, 3, 4) into them."""
        features = self.pictures(pictures)
        moved = [self.points.expand(len(pictures), -1, -1)]
        weights = torch.zeros(())
        for _ in range(_AGREEMENTS):
            weights = self._agreed(features, pictures, projections, moved[-1].detach())
            moved.append(self.points + torch.einsum("bk,knc->bnc", weights, self.ways))
        shifts = torch.einsum("bk,kxyzc->bxyzc", weights, self.ways_in_space.to(weights))
        return LookedAt(features, pictures, projections, torch.stack(moved[1:], 1), shifts)

    def _agreed(self, features: Tensor, pictures: Tensor, projections: Tensor, points: Tensor) -> Tensor:
        """Weights (B, K) of the ways, from what points (B, P, 3) of the mean head say about themselves.

        Each looks where it lies in the picture, and says how far the surface is along its normal, and how
        sure it is of that.
        """
        pixels = projected(points, projections)
        local = torch.cat([bilinear(features, pixels / 2), bilinear(pictures, pixels)], -1)
        facing = facing_cosines(projections, points, self.normals)[..., None]
        who = torch.cat([10 * self.points, self.normals], -1).expand(len(points), -1, -1)
        apart, sure = self.opinion(self.at_point(torch.cat([local, facing, who], -1))).unbind(-1)
        wanted = ((points - self.points) * self.normals).sum(-1) / _CM + apart
        ways, weight, ridge = self.ways / _CM, functional.softplus(sure), self.log_ridge.exp()
        return torch.stack(
            [
                common_movement(ways, self.normals, one, how_sure, ridge)
                for one, how_sure in zip(wanted, weight, strict=True)
            ]
        )

    def forward(self, seen: LookedAt, points: Tensor) -> Field:
        """The field at points (B, N, 3), metres, head frame."""
        pixels = projected(points, seen.projections)
        local = torch.cat([bilinear(seen.features, pixels / 2), bilinear(seen.pictures, pixels)], -1)
        places = (points - torch.tensor(CENTER_M).to(points)) / RADIUS_M
        within = (places.clamp(-1, 1) + 1) * (len(self.ways_in_space[0]) - 1) / 2
        whole = [spline(shifts, cells) for shifts, cells in zip(seen.shifts, within, strict=True)]
        # What lies at x on the mean head lies at x + shift on the person
        on_mean = places - torch.stack(whole)
        mean = self._mean(on_mean)[..., None]
        given = torch.cat([local, fourier(places, self.settings.frequencies), mean], -1)
        values = given
        for index, layer in enumerate(self.hidden):
            if index and index == self.again_at:
                values = torch.cat([values, given], -1)
            values = functional.silu(layer(values))
        changes = _LESS * self.shift_and_rest(values)
        distances = self._mean(on_mean + changes[..., :3]) + changes[..., 3]
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


def fourier(places: Tensor, octaves: int) -> Tensor:
    """(..., 3 + 6 L) places (..., 3) with sines and cosines of π 2^k times them (Mildenhall et al. 2020)."""
    scaled = places[..., None, :] * (torch.pi * 2.0 ** torch.arange(octaves, device=places.device))[:, None]
    waves = torch.cat([scaled.sin(), scaled.cos()], -1).flatten(-2)
    return torch.cat([places, waves], -1)


def projected(points: Tensor, projections: Tensor) -> Tensor:
    """Pixels (B, N, 2) of points (B, N, 3); a point behind the camera gets a pixel far away."""
    on_plane = points @ projections[:, :, :3].transpose(1, 2) + projections[:, None, :, 3]
    return on_plane[..., :2] / on_plane[..., 2:].clamp(min=1e-3)


def facing_cosines(projections: Tensor, points: Tensor, normals: Tensor) -> Tensor:
    """Cosines (B, N) between normals (N, 3) and the ways from points (N, 3) or (B, N, 3) to the cameras."""
    # The camera's centre is −A⁻¹ b of K [R | t] = [A | b]
    centers = -torch.linalg.solve(projections[..., :3], projections[..., 3])
    cosines: Tensor = (functional.normalize(centers[:, None] - points, dim=-1) * normals).sum(-1)
    return cosines
