"""Compiling every kernel ahead of time."""

import torch

from fastavatar.core import Gaussians, frontal_camera
from fastavatar.rendering.cpu.autograd import render_cpu


def compile_kernels() -> None:
    """Draw one Gaussian and take a gradient, which compiles what is not in the cache."""
    means = torch.zeros(1, 3, requires_grad=True)
    upright = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    gaussian = Gaussians(means, upright, torch.full((1, 3), -3.0), torch.zeros(1), torch.zeros(1, 1, 3))
    drawn = render_cpu(gaussian, frontal_camera(1.0, 16.0, 16, 16), torch.ones(3), "classic", threads=1)
    torch.autograd.grad(drawn.image.sum(), means)
