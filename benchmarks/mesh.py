"""Meshes of splats against their goals: `python -m benchmarks.mesh --capture DIR --splats PLY`.

The capture is one with a true surface, such as bust. Where there is no file at PLY, splats are made there
first: from points on the hull that the capture's silhouettes carve, refined on all its views, which takes
minutes. With `--timed PLY ...`, files of splats, seconds and memory of `fastavatar mesh` are measured, too.
Surfaces are compared where at least three views see them and all pictures hold them. Prints Markdown.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

import fastavatar as fa
from fastavatar.app.capture_refinement import CaptureRefinement, CaptureSettings
from fastavatar.captures import Capture, read_capture
from fastavatar.core import Camera, Gaussians, Mesh
from fastavatar.geometry import Array
from fastavatar.rendering import draw_mesh, rasterise_mesh, render
from fastavatar.results import head_cameras

HULL_VOXEL_M, HULL_REACH_M = 0.003, 0.3
HULL_VIEWS = 15
"""A place that fewer pictures hold belongs to no hull."""
STEPS = 500
SAMPLES = 20_000
"""Points at which two surfaces are compared."""
LEAST_VIEWS, LEAST_FACING, SAME_M = 3, 0.2, 0.003
"""A point counts as seen if so many views face it by this cosine, with nothing this far before it."""
CAMERAS, SIZE_PX = 8, 512
ROUNDS = 3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--capture", required=True, type=Path)
    parser.add_argument("--splats", required=True, type=Path)
    parser.add_argument("--timed", nargs="*", type=Path, default=[])
    given = parser.parse_args()
    capture = read_capture(given.capture)
    if not given.splats.exists():
        fa.write_ply(refined(capture), given.splats, "head")
    gaussians = fa.read_ply(given.splats)
    mesh = fa.extract_mesh(gaussians)
    assert capture.mesh is not None
    cameras = [view.camera for view in capture.views]
    print("| | found | goal |\n|---|---|---|")
    for name, one, other in (("mesh → true", mesh, capture.mesh), ("true → mesh", capture.mesh, mesh)):
        distances = 1000 * other.nearest(seen_points(one, cameras))[0].numpy()
        mean, p90 = distances.mean(), np.quantile(distances, 0.9)
        print(f"| {name}, mm | mean {mean:.2f}, p90 {p90:.2f}, {len(distances)} points | ≤ 1.0, ≤ 2.5 |")
    decibels = [
        likeness(mesh, gaussians, camera) for camera in head_cameras(gaussians, "turntable", CAMERAS, SIZE_PX)
    ]
    print(f"| picture, dB | mean {np.mean(decibels):.1f}, least {min(decibels):.1f} | ≥ 32 |")
    for path in given.timed:
        wall_s, cpu_s, peak_mb = cost(path)
        spent = f"{wall_s:.1f} s, {cpu_s:.1f} s of all cores, {peak_mb:.0f} MB"
        print(f"| {path.name} | {spent} | ≤ 8 s, ≤ 1500 MB |")


def refined(capture: Capture) -> Gaussians:
    """Splats of a capture without points: on its hull, refined on all views."""
    with_points = replace(capture, points=torch.from_numpy(hull_points(capture)).float())
    settings = CaptureSettings(config="direct_several", iterations=STEPS)
    return CaptureRefinement(with_points, settings).run().gaussians


def hull_points(capture: Capture) -> Array:
    """Points (N, 3) on the hull that the silhouettes carve, metres."""
    import trimesh
    from skimage import measure

    side = np.arange(-HULL_REACH_M, HULL_REACH_M, HULL_VOXEL_M)
    places = np.stack(np.meshgrid(side, side, side, indexing="ij"), -1).reshape(-1, 3)
    inside, held = np.ones(len(places), np.float32), np.zeros(len(places), np.int64)
    for view in capture.views:
        camera = view.camera.to("cpu", torch.float64)
        pixels = camera.project(torch.from_numpy(places))[0].numpy()
        covered = map_coordinates(view.mask.numpy(), pixels.T[::-1] - 0.5, order=1)
        in_picture = ((pixels >= 0) & (pixels < [camera.width, camera.height])).all(1)
        inside = np.where(in_picture, np.minimum(inside, covered), inside)
        held += in_picture
    inside[held < HULL_VIEWS] = 0
    volume = gaussian_filter(np.pad(inside.reshape(len(side), len(side), len(side)), 1), 1.0)
    vertices, faces, *_ = measure.marching_cubes(volume, 0.5)  # type: ignore[no-untyped-call]
    hull = trimesh.Trimesh((vertices - 1) * HULL_VOXEL_M - HULL_REACH_M, faces)
    largest = max(hull.split(only_watertight=False), key=lambda piece: len(piece.faces))
    return np.asarray(trimesh.sample.sample_surface_even(largest, 30_000, seed=0)[0])


def seen_points(mesh: Mesh, cameras: Sequence[Camera]) -> torch.Tensor:
    """Points (N, 3) of a mesh that all pictures hold and some views see, metres."""
    binding = mesh.sample(SAMPLES)
    points, normals = binding.at(mesh.vertices.double()), binding.at(mesh.normals().double())
    seen, held = torch.zeros(len(points), dtype=torch.int64), torch.ones(len(points), dtype=torch.bool)
    for camera in (camera.to("cpu", torch.float64) for camera in cameras):
        pixels, depth = camera.project(points)
        size = torch.tensor([camera.width, camera.height])
        inside = ((pixels >= 0) & (pixels < size)).all(1)
        held &= inside
        column, row = pixels.floor().long().clamp(min=0).minimum(size - 1).unbind(1)
        first = torch.from_numpy(
            rasterise_mesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), camera).depth
        )
        toward = torch.nn.functional.normalize(camera.center - points, dim=1)
        facing = (toward * normals).sum(1) > LEAST_FACING
        seen += inside & facing & (depth < first[row, column] + SAME_M)
    return points[held & (seen >= LEAST_VIEWS)]


def likeness(mesh: Mesh, gaussians: Gaussians, camera: Camera) -> float:
    """PSNR in dB of the mesh's picture against the splats', where both cover a pixel wholly."""
    with torch.no_grad():
        splats = render(gaussians, camera)
    drawn = draw_mesh(mesh, camera)
    both = (splats.alpha > 0.5) & (drawn.alpha > 0.5)
    error = (drawn.image - splats.image.clamp(0, 1))[both].square().mean()
    return float(-10 * error.log10())


def cost(path: Path) -> tuple[float, float, float]:
    """Best seconds, of wall clock and of all cores, and peak megabytes of `fastavatar mesh` on a file."""
    walls, cpus = [], []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "fastavatar",
            "mesh",
            str(path),
            "--output",
            f"{folder}/head.glb",
            "--force",
        ]
        for _ in range(ROUNDS):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            walls.append(time.perf_counter() - started)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(walls), min(cpus), after.ru_maxrss / 1024


if __name__ == "__main__":
    main()
