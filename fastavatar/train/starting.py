"""What the decoder starts from: a mean head, and a network close to it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats import read_gaussians
from fastavatar.geometry import spread_over
from fastavatar.models.published import ConditionalDecoder
from fastavatar.surfaces import opaque_discs, surface_of

_GREY = 0.6
"""Colour of a mean head before any fit."""


def mean_discs(points: Sequence[Tensor]) -> Gaussians:
    """Grey discs on the mean of several people's points, each (N, 3) metres, which a fit can start from."""
    mean = torch.stack([*points]).double().mean(0)
    return opaque_discs(surface_of(mean.numpy()), np.full((len(mean), 3), _GREY))


def read_mean_head(path: Path, count: int) -> Gaussians:
    """The mean head in a PLY in the head frame, such as `train template` writes, thinned to `count`.

    Raises `InputError` for one with fewer Gaussians.
    """
    found = read_gaussians(path, "head")
    try:
        chosen = spread_over(len(found), count)
    except InputError as error:
        raise InputError(f"{path} holds {error}") from error
    return found.subset(torch.from_numpy(chosen))


def with_sh_degree(gaussians: Gaussians, degree: int) -> Gaussians:
    """The Gaussians with spherical harmonics of exactly `degree`; added coefficients are 0."""
    wanted = (degree + 1) ** 2
    sh = gaussians.sh[:, :wanted]
    more = sh.new_zeros(len(sh), wanted - sh.shape[1], 3)
    return Gaussians(**{**gaussians.tensors(), "sh": torch.cat([sh, more], 1)})


def start_decoder(
    decoder: ConditionalDecoder,
    mean_head: Gaussians,
    embedding: Literal["learnt", "sinusoidal"],
    hidden_gain: float,
) -> None:
    """Let a new decoder start from a mean head with as many Gaussians and coefficients.

    The published start scales every layer by 0.02; in a chain of seven nothing of W reaches the heads for
    thousands of steps. `hidden_gain` is Glorot's gain for all layers but the last of each head.
    """
    decoder.start_from(mean_head)
    with torch.no_grad():
        for part in decoder.conditioning_mlp:
            layers = decoder.linears(part)
            for layer in layers if part == "shared_body" else layers[:-1]:
                nn.init.xavier_normal_(layer.weight, gain=hidden_gain)
        if embedding == "sinusoidal":
            table = decoder.gaussian_embeddings.weight
            table.copy_(sinusoids(mean_head.means, table.shape[1]))


def sinusoids(points: Tensor, width: int) -> Tensor:
    """(N, width) sines and cosines of places (N, 3), with doubled frequencies until the width is filled.

    Positional encoding as of Mildenhall et al. 2020, equation 4, of the place in the bounding box in −1…1.
    """
    low, high = points.amin(0), points.amax(0)
    place = 2 * (points - low) / (high - low) - 1
    octaves = -(-width // 6)
    angles = place[:, None, :] * (torch.pi * 2.0 ** torch.arange(octaves).to(place))[None, :, None]
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]


def mean_head_of(decoder: ConditionalDecoder) -> Gaussians:
    """The mean head that a decoder was started from."""
    parts = decoder.splats
    return Gaussians(
        parts["means"].detach(),
        parts["quats"].detach(),
        parts["scales"].detach(),
        parts["opacities"].detach(),
        torch.cat([parts["sh0"], parts["shN"]], 1).detach(),
    )
