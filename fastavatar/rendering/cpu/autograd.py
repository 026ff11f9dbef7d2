"""The CPU rasteriser as a torch function: float32 tensors in and out, gradients by hand."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fastavatar.core import Camera, Gaussians, frontal_camera
from fastavatar.rendering import (
    Compositing,
    Floats,
    Picture,
    Render,
    backward,
    draw,
    kernel_array,
    lay_over,
    make_frame,
)


def render_cpu(
    gaussians: Gaussians, camera: Camera, background: Tensor, compositing: Compositing, threads: int
) -> Render:
    """Draw `gaussians` over `background` (3,) on `threads` threads; the picture is float32.

    Raises `InputError` naming the first parameter that is not finite.
    """
    published = compositing == "published"
    behind = torch.zeros(3) if published else background
    image, alpha, depth = _Rasterise.apply(  # type: ignore[no-untyped-call]
        *gaussians.tensors().values(), camera.world_to_camera, camera, behind, threads
    )
    if published:
        image = lay_over(image, alpha, background, compositing)
    return Render(image, alpha, depth)


def compile_kernels(gradients: bool = True) -> None:
    """Load every kernel, after compiling what is not on disk yet, by drawing one Gaussian.

    Those of the gradients are included unless `gradients` is off.
    """
    means = torch.zeros(1, 3, requires_grad=gradients)
    upright = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    gaussian = Gaussians(means, upright, torch.full((1, 3), -3.0), torch.zeros(1), torch.zeros(1, 1, 3))
    camera = frontal_camera(1.0, 16.0, 16, 16)
    drawn = render_cpu(gaussian, camera, torch.ones(3), "classic", threads=1)
    if gradients:
        torch.autograd.grad(drawn.image.sum(), means)
        from fastavatar.rendering import Coloring  # and so loaded, only where gradients are wanted

        Coloring(gaussian, camera, threads=1).gathered(drawn.image.detach().numpy())


class _Rasterise(torch.autograd.Function):
    """Five parameters and `world_to_camera` → image (H, W, 3), alpha (H, W), depth (H, W)."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Draw, and keep what the gradients need only where any are wanted."""
        *tensors, camera, background, threads = inputs
        frame = make_frame(camera, tensors[:5], threads)
        picture = draw(frame, kernel_array(background, torch.float32), threads)
        # Outputs without a gradient arrive as None, not as zeros to be added up
        ctx.set_materialize_grads(False)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(*tensors)
            ctx.kept = (frame, picture, threads)
        image, alpha, depth = (torch.from_numpy(part) for part in picture)
        return image, alpha, depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of the six tensors, in their own types."""
        tensors = ctx.saved_tensors  # raises where one was changed in between
        frame, picture, threads = ctx.kept
        d_image, d_alpha, d_depth = d_outputs
        d_picture = Picture(
            np.zeros_like(picture.image) if d_image is None else kernel_array(d_image, torch.float32),
            _NOTHING if d_alpha is None else kernel_array(d_alpha, torch.float32),
            _NOTHING if d_depth is None else kernel_array(d_depth, torch.float32),
        )
        gradients, d_view = backward(frame, picture, d_picture, threads)
        # The last row of a rigid transform is constant
        d_pose = torch.zeros(4, 4, dtype=torch.float64)
        d_pose[:3, :3], d_pose[:3, 3] = (
            torch.from_numpy(d_view[:9].reshape(3, 3)),
            torch.from_numpy(d_view[9:]),
        )
        by_tensor = [*(torch.from_numpy(gradient) for gradient in gradients), d_pose]
        return (*(d.to(tensor) for d, tensor in zip(by_tensor, tensors, strict=True)), None, None, None)


_NOTHING: Floats = np.empty((0, 0), np.float32)
