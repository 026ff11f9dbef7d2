"""`fa.render`: one call, the back-end chosen by where the Gaussians lie."""

from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from fastavatar.camera import Camera
from fastavatar.errors import InputError
from fastavatar.gaussians import Gaussians
from fastavatar.geometry.shapes import require_shape
from fastavatar.render.picture import Compositing, Render
from fastavatar.render.threads import thread_count


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
    or the background.

    Args:
        gaussians: Any number of them, from 0, in the head frame.
        camera: The view; its matrices may be of another floating-point type.
        background: (3,) sRGB.
        compositing: How colours meet the background; see `Compositing`.
        threads: Threads to use on the CPU; by default as many as this process may use.

    Raises:
        InputError: A parameter is not finite, or a shape is wrong.
    """
    over = torch.as_tensor(background, dtype=torch.float32).detach()
    require_shape("background", over, 3)
    if compositing not in get_args(Compositing):
        raise InputError(f"compositing must be one of {get_args(Compositing)}, found {compositing!r}")
    from fastavatar.render.cpu.autograd import render_cpu

    return render_cpu(gaussians, camera, over, compositing, thread_count(threads))
