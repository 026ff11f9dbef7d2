"""Compares and times the CUDA rasteriser: `python -m benchmarks.render_cuda`; Markdown on stdout.

Needs a CUDA device and `pip install '.[cuda]'`; gsplat builds its kernels at the first call, which
takes some minutes and the CUDA toolkit. Exits with code 6 and says what is missing otherwise.
"""

import logging
import sys

import torch

import fastavatar as fa
from benchmarks.scene import head, portrait, requiring_grad
from benchmarks.timing import milliseconds
from fastavatar.core import Camera, Gaussians
from fastavatar.errors import DeviceError
from fastavatar.rendering.reference import render_reference

log = logging.getLogger(__name__)


def main() -> None:
    """Print how much CUDA differs from the float64 reference and from the CPU, and how long it takes."""
    if not torch.cuda.is_available():
        raise DeviceError("this benchmark needs a CUDA device; `python -m benchmarks.render` times the CPU")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    gaussians = anisotropic(head(400))
    camera = portrait(96, 128)
    print("| against | image, worst | image, mean | means | quats | log_scales | logits | sh |")
    print("|---|---|---|---|---|---|---|---|")
    exact = gaussians.to("cpu", torch.float64)
    rows = {"reference, float64": picture_and_gradients(exact, camera, reference=True)}
    rows["cpu"] = picture_and_gradients(gaussians, camera)
    image, gradients = picture_and_gradients(gaussians.to("cuda"), camera)
    for name, (expected, expected_gradients) in rows.items():
        off = (image - expected).abs()
        apart = [
            float((found - wanted).norm() / wanted.norm())
            for found, wanted in zip(gradients, expected_gradients, strict=True)
        ]
        cells = " | ".join(f"{number:.1e}" for number in (float(off.max()), float(off.mean()), *apart))
        print(f"| {name} | {cells} |")

    print("\n| Gaussians at 550×802 | forward, ms | forward + backward, ms |\n|---|---|---|")
    for count in (10_144, 50_000, 200_000):
        print(f"| {count:,} | {' | '.join(time_cuda(head(count).to('cuda'), portrait(550, 802)))} |")


def anisotropic(gaussians: Gaussians) -> Gaussians:
    """The Gaussians with each axis scaled by e⁻¹ to e, so that every parameter has a gradient."""
    make = torch.Generator().manual_seed(0)
    stretched = gaussians.log_scales + torch.rand(gaussians.log_scales.shape, generator=make) * 2 - 1
    return Gaussians(gaussians.means, gaussians.quats_wxyz, stretched, gaussians.opacity_logits, gaussians.sh)


def picture_and_gradients(
    gaussians: Gaussians, camera: Camera, reference: bool = False
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Image (H, W, 3) and the gradients of a random loss on it, float64 on the CPU."""
    wanting = requiring_grad(gaussians)
    if reference:
        drawn = render_reference(wanting, camera, torch.ones(3))
    else:
        drawn = fa.render(wanting, camera)
    d_image = torch.randn(drawn.image.shape, generator=torch.Generator().manual_seed(1)).to(drawn.image)
    gradients = torch.autograd.grad(drawn.image, list(wanting.tensors().values()), d_image)
    return drawn.image.detach().double().cpu(), [gradient.double().cpu() for gradient in gradients]


def time_cuda(gaussians: Gaussians, camera: Camera) -> list[str]:
    """Best / median milliseconds of the forward pass, and of forward and backward."""
    camera = camera.to("cuda")
    wanting = requiring_grad(gaussians)
    d_image = torch.randn(camera.height, camera.width, 3, device="cuda")

    def forward() -> None:
        with torch.no_grad():
            fa.render(gaussians, camera)
        torch.cuda.synchronize()

    def both() -> None:
        torch.autograd.grad(fa.render(wanting, camera).image, list(wanting.tensors().values()), d_image)
        torch.cuda.synchronize()

    return ["{:.2f} / {:.2f}".format(*milliseconds(task, 50)) for task in (forward, both)]


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    try:
        main()
    except DeviceError as error:
        log.error("%s", error)
        sys.exit(error.exit_code)
