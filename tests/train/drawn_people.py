"""Captures of heads of the parametric head, drawn by the own rasteriser: small and quickly made."""

from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Mesh, frontal_camera
from fastavatar.head import load_head
from fastavatar.rendering import draw_mesh
from fastavatar.train.people import points_on, write_capture


def draw_people(folder: Path, count: int, views: int = 3, side_px: int = 48) -> Path:
    """`folder` with `count` captures, each of a person of another shape and colour."""
    head = load_head()
    random = np.random.default_rng(0)
    for number in range(count):
        vertices = head.vertices(head.coefficients(random.normal(0, 1, 20)))
        color = torch.from_numpy(random.uniform(0.2, 0.8, 3)).float()
        mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(head.faces))
        shade = (0.6 + 0.4 * mesh.normals()[:, 2:]) * color
        drawn = Mesh(mesh.vertices, mesh.faces, colors=shade.clamp(0, 1))
        camera = frontal_camera(1.2, 2.2 * side_px, side_px, side_px)
        pictures = []
        for view in range(views):
            seen = camera.orbited(60.0 * view / max(1, views - 1) - 30, 0.0)
            shown = draw_mesh(drawn, seen, (0.0, 0.0, 0.0))
            rgb = shown.image / shown.alpha[..., None].clamp(min=1e-3)
            rgba = torch.cat([rgb.clamp(0, 1), shown.alpha[..., None]], -1)
            pictures.append((seen, (rgba * 255).round().to(torch.uint8).numpy()))
        arrays = {"vertices": vertices.astype(np.float32), "faces": head.faces.astype(np.int32)}
        write_capture(folder / f"{number:04d}", pictures, points_on(vertices), arrays)
    return folder
