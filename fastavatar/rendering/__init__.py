"""Drawing Gaussians: on the CPU, on CUDA, and slowly for comparison."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.rendering.camera_paths import cameras_along as cameras_along
    from fastavatar.rendering.camera_paths import path_angles as path_angles
    from fastavatar.rendering.cpu.autograd import compile_kernels as compile_kernels
    from fastavatar.rendering.cpu.kernel import kernel_folder as kernel_folder
    from fastavatar.rendering.head_view import facing_camera as facing_camera
    from fastavatar.rendering.head_view import frame_sphere as frame_sphere
    from fastavatar.rendering.head_view import head_sphere as head_sphere
    from fastavatar.rendering.picture import Compositing as Compositing
    from fastavatar.rendering.picture import Render as Render
    from fastavatar.rendering.rasterise import render as render
    from fastavatar.rendering.threads import limit_threads as limit_threads

__getattr__ = lazy_attributes(
    __name__,
    {
        ".camera_paths": ["cameras_along", "path_angles"],
        ".cpu.autograd": ["compile_kernels"],
        ".cpu.kernel": ["kernel_folder"],
        ".head_view": ["facing_camera", "frame_sphere", "head_sphere"],
        ".picture": ["Compositing", "Render"],
        ".rasterise": ["render"],
        ".threads": ["limit_threads"],
    },
)
