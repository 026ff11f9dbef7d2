"""Distances of fitted heads from true surfaces: `python -m benchmarks.head_fit FOLDER:VIEW[,VIEW…] …`.

Each folder is a capture with points or a mesh. A head is fitted to the landmarks of one view at its true
focal length, and scaled about the camera so that the face's depth is the true one. Prints Markdown: mean /
90th percentile over true points of their distance to the head, in mm, by region.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fastavatar.captures import Capture, View, read_capture
from fastavatar.core import Box, Camera, Face
from fastavatar.evaluation.placement import visible_points
from fastavatar.faces import FaceMeshFinder, find_face
from fastavatar.geometry import Array, Ints, nearest_on_mesh
from fastavatar.head import LandmarkView, ParametricHead, fit_head, load_head
from fastavatar.models.facemesh import observe, pulled_to_landmarks
from fastavatar.refinement import photo_of_view
from fastavatar.rendering import rasterise_mesh

REGIONS = ("face", "ear", "jaw", "neck", "skull")
POINTS = 20000
"""Points spread over a true mesh."""
BEHIND_M = 0.001
"""Points of a mesh at most this far behind what a view sees are seen."""


@dataclass(frozen=True)
class Placed:
    """A head before a camera."""

    vertices: Array
    """(V, 3) head frame, metres."""
    faces: Ints
    """(F, 3) what shows from outside: skin and eyeballs."""
    world_to_camera: Array
    """(4, 4)"""


def pulled(face: Face, view: View, capture: Capture) -> Placed:
    """The parametric head as the embedded model uses it: its landmarks moved to where they are seen."""
    (seen,) = observe([photo_of_view(view, capture.folder)], [face], chosen=True)
    vertices = pulled_to_landmarks(seen.shape, seen.offsets)
    return Placed(vertices, _outside(load_head()), seen.camera.world_to_camera.numpy())


def parametric(face: Face, view: View, capture: Capture) -> Placed:
    """The parametric head, fitted to the landmarks."""
    head, K = load_head(), view.camera.K
    center_px = (float(K[0, 2]), float(K[1, 2]))
    fit = fit_head(head, [LandmarkView(face.landmarks, center_px, float(K[0, 0]))])
    vertices = head.vertices(fit.identity, fit.expressions[0])
    return Placed(vertices, _outside(head), fit.world_to_camera[0])


def _outside(head: ParametricHead) -> Ints:
    """The triangles (F, 3) of skin and eyeballs that show from outside."""
    inside = head.region("mouth", "sockets")[head.faces].any(1)
    return head.faces[head.part("skin", "left_eye", "right_eye") & ~inside]


METHODS: dict[str, Callable[[Face, View, Capture], Placed]] = {"pulled": pulled, "parametric": parametric}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captures", nargs="+", help="FOLDER:VIEW[,VIEW…]")
    chosen = parser.parse_args().captures
    print("| view | method | " + " | ".join(REGIONS) + " | scale | seconds |\n|---|---|" + "---|" * 7)
    totals: dict[str, list[list[float]]] = {name: [] for name in METHODS}
    for capture, view, name in _views(chosen):
        truth = _truth(capture)
        face = find_face(FaceMeshFinder(), (view.image * 255).byte().numpy())
        regions = regions_of(truth, parametric(face, view, capture), view, face.box)
        for method, place in METHODS.items():
            start = time.perf_counter()
            placed = place(face, view, capture)
            seconds = time.perf_counter() - start
            vertices, scale = in_world(placed, view, truth, face.box)
            distances = 1000 * nearest_on_mesh(truth, vertices, placed.faces)[0]
            row = [float(distances[regions == k].mean()) for k in range(len(REGIONS))]
            tail = [float(np.quantile(distances[regions == k], 0.9)) for k in range(len(REGIONS))]
            cells = " | ".join(f"{mean:.2f} / {p90:.1f}" for mean, p90 in zip(row, tail, strict=True))
            print(f"| {name} | {method} | {cells} | {scale:.3f} | {seconds:.2f} |", flush=True)
            totals[method].append(row)
    for method, rows in totals.items():
        print(f"| mean | {method} | " + " | ".join(f"{mean:.2f}" for mean in np.mean(rows, 0)) + " | | |")


def _views(chosen: list[str]) -> Iterator[tuple[Capture, View, str]]:
    for one in chosen:
        folder, _, views = one.rpartition(":")
        capture = read_capture(folder)
        for index in views.split(","):
            yield capture, capture.views[int(index)], f"{Path(folder).name} {index}"


def _truth(capture: Capture) -> Array:
    """Points (N, 3) of the true surface that any view sees: neither eyeballs nor the inside of a mouth."""
    mesh = capture.mesh
    if mesh is None:
        assert capture.points is not None, f"{capture.folder} has no surface"
        cloud = capture.points.float()
        seen = torch.stack([visible_points(cloud, view) for view in capture.views])
        return cloud[seen.any(0)].double().numpy()
    points = mesh.sample(POINTS).at(mesh.vertices).double().numpy()
    on_top = np.zeros(len(points), bool)
    for view in capture.views:
        surface = rasterise_mesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), view.camera)
        column, row, depth = _seen_at(points, view.camera)
        inside = (column >= 0) & (column < view.camera.width) & (row >= 0) & (row < view.camera.height)
        at = np.where(inside, row, 0), np.where(inside, column, 0)
        on_top |= inside & (depth < surface.depth[at] + BEHIND_M)
    return np.asarray(points[on_top])


def _seen_at(points: Array, camera: Camera) -> tuple[Ints, Ints, Array]:
    """Column and row (N,) of the pixels that points (N, 3) lie in, and their depth (N,)."""
    pixels, depth = camera.to("cpu", torch.float64).project(torch.from_numpy(points))
    column, row = pixels.numpy().astype(int).T
    return column, row, depth.numpy()


def in_world(placed: Placed, view: View, truth: Array, box: Box) -> tuple[Array, float]:
    """Vertices (V, 3) where the true camera sees the head, and the scale that brings them to true depth.

    It is the median over the points `truth` (N, 3) that the camera sees in the face's box: a torso that
    stands otherwise says nothing about a face.
    """
    true = view.camera.world_to_camera.double().numpy()
    camera = replace(view.camera, world_to_camera=torch.from_numpy(placed.world_to_camera))
    seen = rasterise_mesh(placed.vertices, placed.faces, camera)
    points = truth[visible_points(torch.from_numpy(truth).float(), view).numpy()]
    column, row, depth = _seen_at(points, view.camera)
    in_box = (column > box[0]) & (column < box[2]) & (row > box[1]) & (row < box[3])
    covered = seen.hit[row, column] & in_box
    scale = float(np.median(depth[covered] / seen.depth[row, column][covered]))
    before = placed.vertices @ placed.world_to_camera[:3, :3].T + placed.world_to_camera[:3, 3]
    return (scale * before - true[:3, 3]) @ true[:3, :3], scale


def regions_of(truth: Array, placed: Placed, view: View, box: Box) -> Ints:
    """Index (N,) into `REGIONS` of true points, -1 for none; `placed` brings them into the head frame."""
    true = view.camera.world_to_camera.double().numpy()
    _, scale = in_world(placed, view, truth, box)
    before = (truth @ true[:3, :3].T + true[:3, 3]) / scale
    points = (before - placed.world_to_camera[:3, 3]) @ placed.world_to_camera[:3, :3]
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    underside = -0.1085 - 0.35 * (z + 0.01)
    ear = (x > 0.0625) & (z > -0.105) & (z < -0.038) & (y < 0.033) & (y > -0.036)
    face = (z > 0) & (y < 0.051) & (y > -0.094)
    neck = (y < underside) & (y > -0.131) & ~face
    jaw = ~face & ~ear & ~neck & (y < -0.026) & (y >= underside) & (z > -0.055)
    skull = ~ear & ~face & ~jaw & (y >= underside) & ((y >= 0.051) | (z < -0.04))
    regions = np.full(len(points), -1)
    for index, where in enumerate((face, ear, jaw, neck, skull)):
        regions[where] = index
    return regions


if __name__ == "__main__":
    main()
