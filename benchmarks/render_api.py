"""What `fa.render` costs beyond its kernels: `python -m benchmarks.render_api [--scene FILE] [--busy 1]`.

Prints Markdown, milliseconds best / median of a picture with its gradients: the kernels alone, then
`fa.render`, a loss on the picture and `backward()`, and the ratio of the medians, which should stay below
1.3. Both are timed in turns in one process. The scene is the head of `data/example.png` unless one is given.
Each row is a process of its own: in the first `import fastavatar` lets OpenMP's threads sleep;
in the second torch is imported first, so that only the renderer can stop them from spinning.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ORDERS = ("import fastavatar, torch", "import torch, fastavatar")
BUSY = "while True: pass"

# A new interpreter runs this with the scene, the numbers of rounds and threads; it prints a row's cells
PROGRAM = """
import sys
from statistics import median
from time import perf_counter
import numpy as np
import fastavatar as fa
from benchmarks.scene import read_scene, requiring_grad
from fastavatar.core import frontal_camera
from fastavatar.rendering import Picture, backward, draw, make_frame

scene, rounds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if scene == "example":
    avatar = fa.load_predictor("facemesh").predict(fa.load_photo("data/example.png"))
    gaussians, camera = avatar.gaussians, avatar.camera
else:
    gaussians, camera = read_scene(scene)
wanting = requiring_grad(gaussians)
tensors = list(wanting.tensors().values())
weights = torch.randn(camera.height, camera.width, 3)
behind, none = np.ones(3, np.float32), np.empty((0, 0), np.float32)

def kernels():
    frame = make_frame(camera, tensors, threads)
    picture = draw(frame, behind, threads)
    backward(frame, picture, Picture(weights.numpy(), none, none), threads)

def public():
    for tensor in tensors:
        tensor.grad = None
    (fa.render(wanting, camera, threads=threads).image * weights).sum().backward()

taken = {kernels: [], public: []}
for _ in range(rounds + 2):
    for task, times in taken.items():
        start = perf_counter()
        task()
        times.append(1e3 * (perf_counter() - start))
alone, whole = (times[2:] for times in taken.values())
cells = ["{:.1f} / {:.1f}".format(min(times), median(times)) for times in (alone, whole)]
print(" | ".join([f"{len(gaussians):,}", f"{camera.width}×{camera.height}", *cells]), end=" | ")
print(f"{median(whole) / median(alone):.2f}")
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scene", default="example", help="npz file with means, quats, scales, opacities, sh, viewmats, Ks"
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", type=int, default=0, help="Processes beside it that keep a core busy each.")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} CPU cores, load {load:.1f} before, {options.busy} busy processes beside\n")
    print("| | Gaussians | picture | kernels, ms | `fa.render`, ms | ratio |\n|---|---|---|---|---|---|")
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(options.busy)]
    try:
        for order in ORDERS:
            environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
            given = [options.scene, str(options.rounds), str(options.threads)]
            command = [sys.executable, "-c", f"{order}\n{PROGRAM}", *given]
            done = subprocess.run(
                command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            print(f"| `{order}` | {done.stdout.strip().splitlines()[-1]} |", flush=True)
    finally:
        for process in busy:
            process.kill()


if __name__ == "__main__":
    main()
