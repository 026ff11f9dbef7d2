"""Surfaces of people held out beside the true ones: figures and pictures."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Camera, Mesh
from fastavatar.errors import InputError
from fastavatar.losses import surface_difference
from fastavatar.models.surface import SurfaceNetwork, asked, mesh_of_field
from fastavatar.rendering import draw_mesh
from fastavatar.train.surfaces import Subjects

_MOST = 12
"""People whose surfaces are made: a few seconds each."""
_VOXELS = 64
_POINTS = 2000
_AZIMUTHS_DEG = (0, 60, 180)
_PICTURE_PX = 192


def held_out(
    network: SurfaceNetwork, subjects: Subjects, chosen: Sequence[tuple[int, int]]
) -> tuple[dict[str, float], dict[str, NDArray[np.uint8]]]:
    """Mean distances of the first surfaces made from the chosen (subject, view), and pictures of them."""
    figures: dict[str, list[float]] = {"chamfer_mm": [], "chamfer_seen_mm": [], "normal_seen_deg": []}
    pictures: dict[str, NDArray[np.uint8]] = {}
    for who, view in chosen[:_MOST]:
        crop, truth = subjects.picture(who, view), subjects.mesh(who)
        try:
            found = mesh_of_field(asked(network, crop), _VOXELS)
        except InputError:  # early in a run nothing may be inside
            continue
        whole = surface_difference(found, truth, points=_POINTS)
        seen = surface_difference(found, truth, crop.camera, _POINTS)
        if whole is not None and seen is not None:
            figures["chamfer_mm"].append(whole.chamfer_mm)
            figures["chamfer_seen_mm"].append(seen.chamfer_mm)
            figures["normal_seen_deg"].append(seen.normal_deg)
        pictures[subjects.name(who)] = _beside(found, truth, crop.camera)
    return {name: float(np.mean(values)) for name, values in figures.items() if values}, pictures


def _beside(found: Mesh, truth: Mesh, camera: Camera) -> NDArray[np.uint8]:
    """The surface above, in its colours and in grey, and the true one in grey below."""
    views = [camera.resized(_PICTURE_PX, _PICTURE_PX).orbited(azimuth) for azimuth in _AZIMUTHS_DEG]
    grey = Mesh(found.vertices, found.faces)
    rows = [
        torch.cat([draw_mesh(mesh, view).image for view in views], 1)
        for mesh in (found, grey, Mesh(truth.vertices, truth.faces))
    ]
    pixels: NDArray[np.uint8] = (torch.cat(rows).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return pixels
