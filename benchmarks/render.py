"""Times the CPU rasteriser: `python -m benchmarks.render [--scene scene.npz]`; Markdown on stdout.

Milliseconds are best / median. The torch loop over tiles is timed in the same run.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile

import torch

import fastavatar as fa
from benchmarks.scene import fitted, head, portrait, read_scene, requiring_grad
from benchmarks.timing import milliseconds
from benchmarks.torch_tiles import render_in_tiles
from fastavatar.core import Camera, Gaussians

START = """
import time; start = time.perf_counter()
import torch
import fastavatar as fa
from fastavatar.core import frontal_camera
point = fa.Gaussians(*(torch.zeros(1, *shape) for shape in [(3,), (4,), (3,), (), (1, 3)]))
fa.render(point, frontal_camera(1.0, 16.0, 16, 16)).image
print(time.perf_counter() - start)
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", help="npz file with means, quats, scales, opacities, sh, viewmats, Ks")
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.scene:
        gaussians, camera = read_scene(options.scene)
    else:
        gaussians, camera = head(), portrait(550, 802)
    before = peak_mib()
    fa.render(gaussians, camera)
    sizes = {
        f"{camera.width}×{camera.height}": camera,
        "512×512 fitted": fitted(gaussians, camera, 512),
    }
    print("| picture | threads | forward, ms | forward + backward, ms |\n|---|---|---|---|")
    best = {}
    for name, view in sizes.items():
        for threads in sorted({1, options.threads}):
            forward, both = time_renderer(gaussians, view, threads, options.repeats)
            best[name, threads] = forward[0], both[0]
            print(f"| {name} | {threads} | {text(forward)} | {text(both)} |", flush=True)
    name = next(iter(sizes))
    many = best[name, options.threads]
    gain = [one / more for one, more in zip(best[name, 1], many, strict=True)]
    print(f"\n1 → {options.threads} threads: {gain[0]:.2f}× forward, {gain[1]:.2f}× with backward")
    print(f"memory over what was imported: {peak_mib() - before:.0f} MiB")

    loop_forward, loop_both = time_torch_loop(gaussians, camera)
    print(f"torch loop over tiles: {text(loop_forward)} and {text(loop_both)} ms, ", end="")
    print(f"{loop_forward[0] / many[0]:.0f}× and {loop_both[0] / many[1]:.0f}× as long\n", flush=True)

    print("| Gaussians, equal coverage | forward, µs each | forward + backward, µs each |\n|---|---|---|")
    for count in (10_144, 50_000, 200_000):
        forward, both = time_renderer(head(count), portrait(550, 802), options.threads, 10)
        print(f"| {count:,} | {1e3 * forward[0] / count:.2f} | {1e3 * both[0] / count:.2f} |", flush=True)

    with tempfile.TemporaryDirectory() as cache:
        cold, warm = first_picture(cache), min(first_picture(cache) for _ in range(3))
    print(f"\nfirst picture of a process, imports included: {cold:.1f} s cold, {warm:.2f} s from the cache")


def time_renderer(
    gaussians: Gaussians, camera: Camera, threads: int, repeats: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Best and median milliseconds of the forward pass, and of forward and backward, to all parameters."""
    wanting = requiring_grad(gaussians)
    tensors = list(wanting.tensors().values())
    d_image = torch.randn(camera.height, camera.width, 3)

    def both() -> None:
        torch.autograd.grad(fa.render(wanting, camera, threads=threads).image, tensors, d_image)

    forward = milliseconds(lambda: fa.render(gaussians, camera, threads=threads), repeats)
    return forward, milliseconds(both, repeats)


def time_torch_loop(
    gaussians: Gaussians, camera: Camera, repeats: int = 2
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Like `time_renderer`, for the loop in `torch_tiles`."""
    wanting = requiring_grad(gaussians)
    tensors = list(wanting.tensors().values())

    def both() -> None:
        torch.autograd.grad(render_in_tiles(wanting, camera).sum(), tensors)

    with torch.no_grad():
        forward = milliseconds(lambda: render_in_tiles(gaussians, camera), repeats)
    return forward, milliseconds(both, repeats)


def first_picture(cache: str) -> float:
    """Seconds from the start of a new process's imports to its first picture."""
    environment = {**os.environ, "FASTAVATAR_CACHE": cache}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", START], env=environment, capture_output=True, check=True)
    return float(done.stdout)


def peak_mib() -> float:
    """Peak memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def text(best_and_median: tuple[float, float]) -> str:
    """Best and median as a cell of a table."""
    return "{:.1f} / {:.1f}".format(*best_and_median)


if __name__ == "__main__":
    main()
