"""Scenes to draw in tests, and comparing two pictures of them."""

from dataclasses import replace

import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians, frontal_camera
from fastavatar.rendering import Render


def random_gaussians(seed: int, count: int = 40, degree: int = 3, spread_m: float = 0.15) -> Gaussians:
    """Anisotropic, rotated, of many sizes and opacities, about the origin; quaternions not normalised."""
    make = torch.Generator().manual_seed(seed)
    return Gaussians(
        spread_m * torch.randn(count, 3, generator=make),
        torch.randn(count, 4, generator=make),
        0.7 * torch.randn(count, 3, generator=make) - 3,
        2 * torch.randn(count, generator=make),
        0.3 * torch.randn(count, (degree + 1) ** 2, 3, generator=make),
    )


def slanted_camera(width: int = 37, height: int = 29) -> Camera:
    """A camera a metre away that is aligned with no axis and whose principal point is off the middle."""
    camera = frontal_camera(1.0, 80.0, width, height).orbited(25, 15)
    return replace(camera, K=camera.K + torch.tensor([[3.0, 0, 2], [0, -4, -3], [0, 0, 0]]))


def with_gradients(gaussians: Gaussians, camera: Camera, dtype: torch.dtype) -> tuple[Gaussians, Camera]:
    """Copies in another type whose tensors ask for gradients."""
    tensors = gaussians.tensors()
    wanting = {name: value.to(dtype, copy=True).requires_grad_() for name, value in tensors.items()}
    pose = camera.world_to_camera.to(dtype, copy=True).requires_grad_()
    return Gaussians(**wanting), replace(camera.to("cpu", dtype), world_to_camera=pose)


def gradients(
    drawn: Render, gaussians: Gaussians, camera: Camera, without: Tensor | None = None
) -> dict[str, Tensor]:
    """Gradients of a linear loss on image, alpha and depth, different at every pixel, by name.

    The pixels `without` (H, W) have no part in the loss.
    """
    make = torch.Generator().manual_seed(0)
    losses = []
    for part in (drawn.image, drawn.alpha, drawn.depth):
        weights = torch.randn(part.shape, generator=make).to(part)
        if without is not None:
            weights[without] = 0
        losses.append((part * weights).sum())
    tensors = {**gaussians.tensors(), "world_to_camera": camera.world_to_camera}
    found = torch.autograd.grad(losses, list(tensors.values()), materialize_grads=True)
    return dict(zip(tensors, found, strict=True))


def apart(found: Tensor, expected: Tensor) -> float:
    """Relative L2 distance; absolute where the expected is nothing."""
    distance = float((found.double() - expected).norm())
    return distance / max(float(expected.norm()), 1e-6)
