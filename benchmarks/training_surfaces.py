"""How far surfaces that trained networks see are from the true ones, for people they were not trained on.

`python -m benchmarks.training_surfaces surface FILE.pth --data DIR [--sheet FILE.png]` and
`python -m benchmarks.training_surfaces views FILE.pth --data DIR`, DIR holding captures with a `mesh.npz`, as
`fastavatar dataset people` makes them. Pictures are framed by their true cameras, off by about what a camera
fitted to landmarks is. Printed are means over all people: of both ways of the distances, of all and of what
the first picture's camera sees, of the angle between normals and of the difference of colours there; beside
them those of the mean head or shape. `--sheet` draws three people from eight directions, first the result in
colour and in grey, then the truth.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fastavatar.captures import Capture, View, read_capture
from fastavatar.core import Mesh, frontal_camera
from fastavatar.head import load_head, outside_of
from fastavatar.losses import surface_difference
from fastavatar.models.points import colored_by_views
from fastavatar.models.surface import asked, framed, mesh_of_field
from fastavatar.models.surface import read_network as read_surface_network
from fastavatar.models.views import open_mesh
from fastavatar.models.views import read_network as read_views_network
from fastavatar.rendering import draw_mesh, limit_threads
from fastavatar.surfaces import solid_of
from fastavatar.train import FramingErrors, capture_folders, mistaken, spread_inside

ERRORS = FramingErrors(turn_deg=1.5, move_mm=3.0, distance=0.015, copies=1)
VOXELS, POINTS, SHOWN = 128, 5000, 3
AZIMUTHS_DEG, SHEET_PX = (0, 45, 90, 135, 180, 225, 270, 315), 200
COUNTS = (1, 2, 6)
"""Numbers of pictures that the model `views` is asked with."""

Maker = Callable[[Sequence[View]], Mesh]
"""A function of some views of a person that returns the surface."""


def surface_maker(checkpoint: Path) -> tuple[Maker, Mesh]:
    """Closed surfaces, each from the first of the views, and the mean head."""
    network, random = read_surface_network(checkpoint), np.random.default_rng(0)

    def make(views: Sequence[View]) -> Mesh:
        view, size_px = views[0], network.settings.picture_px
        camera = mistaken(view.camera, ERRORS, random)
        crop = framed(view.image.numpy(), view.mask.numpy(), camera, size_px)
        return mesh_of_field(asked(network, crop), VOXELS)

    return make, solid_of(outside_of(load_head().mesh()))


def views_maker(checkpoint: Path) -> tuple[Maker, Mesh]:
    """Surfaces, open below, each from all the views, and that of the mean shape."""
    network, random = read_views_network(checkpoint), np.random.default_rng(0)

    def make(views: Sequence[View]) -> Mesh:
        size_px = network.settings.picture_px
        crops = [
            framed(view.image.numpy(), view.mask.numpy(), mistaken(view.camera, ERRORS, random), size_px)
            for view in views
        ]
        pictures = torch.stack([crop.picture for crop in crops]).float() / 255
        with torch.no_grad():
            found = network(pictures, torch.stack([crop.projection for crop in crops]))
        return open_mesh(found.points, found.normals, found.colors, VOXELS)

    grey = torch.full_like(network.mean_points, 0.5)
    return make, open_mesh(network.mean_points, network.mean_normals, grey, VOXELS)


def measured(found: Mesh, truth: Mesh, view: View) -> Mapping[str, float | None]:
    """The figures of a surface: of all of it, and of what the view's camera sees."""
    figures: dict[str, float | None] = {}
    for name, camera in (("all", None), ("seen", view.camera)):
        difference = surface_difference(found, truth, camera, POINTS)
        assert difference is not None
        figures |= {f"{what}_{name}": value for what, value in asdict(difference).items()}
    return figures


def spread_views(capture: Capture, count: int) -> list[View]:
    """`count` views, spread over all; a single one is that in the middle."""
    return [capture.views[index] for index in spread_inside(len(capture.views), count)]


def drawn(found: Mesh, truth: Mesh) -> torch.Tensor:
    """(3 S, 8 S, 3) both surfaces from eight directions."""
    middle = torch.tensor([0.0, -0.08, -0.05])
    camera = frontal_camera(1.2, 2.0 * SHEET_PX, SHEET_PX, SHEET_PX, middle)
    views = [camera.orbited(azimuth, 0.0, middle) for azimuth in AZIMUTHS_DEG]
    grey = [Mesh(mesh.vertices, mesh.faces) for mesh in (found, truth)]
    rows = [torch.cat([draw_mesh(mesh, view).image for view in views], 1) for mesh in (found, *grey)]
    return torch.cat(rows)


def main() -> None:
    """Measure the people in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", choices=["surface", "views"])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    of_surface = arguments.model == "surface"
    make, mean = (surface_maker if of_surface else views_maker)(arguments.checkpoint)
    rows: dict[str, list[Mapping[str, float | None]]] = {}
    sheet: list[torch.Tensor] = []
    for folder in capture_folders(arguments.data):
        capture = read_capture(folder)
        assert capture.mesh is not None
        truth = colored_by_views(outside_of(capture.mesh), capture.views)
        truth = solid_of(truth) if of_surface else truth
        first = spread_views(capture, 1)[0]
        rows.setdefault("mean", []).append(measured(mean, truth, first))
        for count in (1,) if of_surface else COUNTS:
            found = make(spread_views(capture, count))
            rows.setdefault(f"{count} pictures", []).append(measured(found, truth, first))
        if len(sheet) < SHOWN:  # from the most pictures
            sheet.append(drawn(found, truth))
    for name, people in rows.items():
        means = {
            what: round(float(np.mean([one[what] for one in people if one[what] is not None])), 3)
            for what in people[0]
            if people[0][what] is not None
        }
        print(f"{name}, {len(people)} people: {json.dumps(means)}")
    if arguments.sheet is not None:
        pixels = (torch.cat(sheet).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(arguments.sheet)


if __name__ == "__main__":
    main()
