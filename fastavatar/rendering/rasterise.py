"""`fa.render`: one call, the back-end chosen by where the Gaussians lie."""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.errors import DeviceError, InputError
from fastavatar.geometry import require_shape
from fastavatar.rendering import Compositing, Render, thread_count


def render(
    gaussians: Gaussians,
    camera: Camera,
    background: Sequence[float] | Tensor = (1.0, 1.0, 1.0),
    *,
    compositing: Compositing = "classic",
    threads: int | None = None,
) -> Render:
    """Draw `gaussians` as `camera` sees them over one colour.

    Differentiable with respect to every Gaussian parameter and `camera.world_to_camera`, not to `camera.K`
    or the background. The same picture comes out whatever the number of threads, to the last bit.

    Args:
        gaussians: Any number of them, from 0, in the head frame.
        camera: The view; its matrices may be of another floating-point type.
        background: (3,) sRGB.
        compositing: How colours meet the background; see `Compositing`.
        threads: Threads to use on the CPU; by default as many as this process may use.

    Raises:
        InputError: A parameter is not finite, or a shape is wrong.
        DeviceError: The Gaussians' device cannot draw, with what would help.
        UsageError: Less than one thread is asked for.
    """
    over = torch.as_tensor(background, dtype=torch.float32).detach()
    require_shape("background", over, 3)
    if compositing not in get_args(Compositing):
        raise InputError(f"compositing must be one of {get_args(Compositing)}, found {compositing!r}")
    _require_finite_camera(camera)
    device = gaussians.means.device
    if device.type == "cpu":
        from fastavatar.rendering import render_cpu

        return render_cpu(gaussians, camera, over, compositing, thread_count(threads))
    if device.type == "cuda":
        from fastavatar.rendering import render_cuda

        return render_cuda(gaussians, camera, over, compositing)
    raise DeviceError(f"Gaussians can be drawn on cpu and cuda, found {device}")


def _require_finite_camera(camera: Camera) -> None:
    for name, matrix in (("K", camera.K), ("world_to_camera", camera.world_to_camera)):
        if not bool(matrix.isfinite().all()):
            raise InputError(f"the camera's {name} is not finite: {matrix.tolist()}")
