"""Drawing on CUDA with gsplat, set up to compute what the CPU rasteriser computes.

Source: Ye et al. 2024 (gsplat), `rasterization` of version 1.5, mode "classic". It takes the camera's centre
from the inverse of `world_to_camera`, the CPU from its transpose: the same for every rigid pose and along
every rigid motion, but the gradient by a single entry of the matrix differs.
"""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.errors import DeviceError
from fastavatar.rendering import BLUR_PX2, FAR_M, NEAR_M, TILE, Compositing, Render, lay_over

BUILD_COMMAND = 'python -c "from gsplat.cuda._backend import _C"'


def render_cuda(
    gaussians: Gaussians, camera: Camera, background: Tensor, compositing: Compositing = "classic"
) -> Render:
    """Draw `gaussians`, on their own CUDA device and in float32, over `background` (3,).

    Raises:
        DeviceError: gsplat is not installed or cannot be built, or the device's memory is too small.
        InputError: A parameter is not finite.
    """
    device = gaussians.means.device
    gaussians, camera = gaussians.to(device, torch.float32), camera.to(device, torch.float32)
    gaussians.require_finite()
    if len(gaussians) == 0:
        nothing = torch.zeros(camera.height, camera.width, device=device)
        return Render(background.to(device).expand(*nothing.shape, 3), nothing, nothing)
    try:
        channels, alpha, _ = rasterization()(
            gaussians.means,
            gaussians.quats_wxyz,
            gaussians.scales,
            gaussians.opacities,
            gaussians.sh,
            camera.world_to_camera[None],
            camera.K[None],
            camera.width,
            camera.height,
            near_plane=NEAR_M,
            far_plane=FAR_M,
            eps2d=BLUR_PX2,
            sh_degree=gaussians.sh_degree,
            packed=False,
            tile_size=TILE,
            render_mode="RGB+ED",
        )
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceError(f"{device} has too little memory to draw {len(gaussians)} Gaussians") from error
    alpha = alpha[0, ..., 0]
    image = lay_over(channels[0, ..., :3], alpha, background.to(device), compositing)
    return Render(image, alpha, channels[0, ..., 3])


@cache
def rasterization() -> Callable[..., Any]:
    """The function of gsplat, its kernels built if they are not yet.

    Raises `DeviceError` that names the command which installs or builds it.
    """
    try:
        with redirect_stdout(sys.stderr):  # it reports its build on stdout, which is for results
            from gsplat import rasterization as function
            from gsplat.cuda._backend import _C as kernels
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"drawing on CUDA needs {error.name}: pip install '.[cuda]' where this project lies, "
            "or draw on the CPU"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DeviceError(f"gsplat's CUDA kernels cannot be built ({reason}); {_HOW_TO_BUILD}") from error
    if kernels is None:
        raise DeviceError(f"gsplat's CUDA kernels are not built and nvcc is not found; {_HOW_TO_BUILD}")
    return function  # type: ignore[no-any-return]


_HOW_TO_BUILD = f"install the CUDA toolkit of torch's version and run `{BUILD_COMMAND}`, or draw on the CPU"
