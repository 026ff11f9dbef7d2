"""Gaussians that every format can hold closely: opaque, coloured within 0…1, and how alike two look."""

import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians, encode_colors, frontal_camera
from fastavatar.rendering import render
from tests.rendering.scenes import random_gaussians


def storable(seed: int = 0, count: int = 600, degree: int = 3) -> Gaussians:
    """Gaussians about the origin, rotated and anisotropic, in more than two chunks."""
    make = torch.Generator().manual_seed(seed)
    g = random_gaussians(seed, count, degree, spread_m=0.05)
    sh = 0.1 * torch.randn(count, (degree + 1) ** 2, 3, generator=make)
    sh[:, 0] = encode_colors(torch.rand(count, 3, generator=make))
    return Gaussians(g.means, g.quats_wxyz, g.log_scales - 2.0, g.opacity_logits, sh)


def view() -> Camera:
    """The picture of the Gaussians from the side and above."""
    return frontal_camera(1.0, 300.0, 96, 96).orbited(30, 15)


def psnr(left: Gaussians, right: Gaussians) -> float:
    """PSNR in dB of the two as `view` renders them."""
    pictures: list[Tensor] = [render(g, view()).image.clamp(0, 1) for g in (left, right)]
    return float(-10 * ((pictures[0] - pictures[1]) ** 2).mean().log10())
