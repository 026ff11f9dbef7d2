"""The mesh of a field: asked coarsely first, and finely only about the surface.

32³ points ─ sign changes near ─▶ 64³ near the surface ─▶ 128³ ─▶ 256³ ─ marching cubes ─▶ mesh with colours
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom
from torch import Tensor

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.models.surface import CENTER_M, RADIUS_M, Framed, SurfaceNetwork
from fastavatar.surfaces import isosurface, volumes_of_pieces

Ask = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Distances (N,) in metres and colours (N, 3) at points (N, 3) in metres, head frame."""

VOXELS = 256
"""Along a side of the cube that is searched: 2.5 mm."""
HALF_M = 0.32
"""Half a side of that cube about the unit sphere's centre: the widest shoulders of 30 people, and 4 cm."""
COARSEST = 32
"""Where everything is asked: no part of a head is thinner than the cells are wide and apart from the rest."""
_BAND = 1.5
"""Cells of the level before within which a point is asked: the diagonal of half a cell, and as much again for
fields whose gradient is not quite 1."""
_AT_ONCE = 1 << 15
"""Points of one call: activations of 32 k × 512 floats are 64 MB."""


def mesh_of_field(ask: Ask, voxels: int = VOXELS) -> Mesh:
    """The surface of a field with the colours of its vertices: closed, its largest piece, head frame.

    `voxels` along a side is `COARSEST` times a power of two. Raises `InputError` where the field is nowhere
    negative.
    """
    distances, origin, voxel_m = distances_on_grid(lambda points: ask(points)[0], HALF_M, voxels)
    vertices, faces = isosurface(distances, origin, voxel_m)
    if not len(faces):
        raise InputError("the network sees no surface in this photo")
    volumes, piece_of = volumes_of_pieces(vertices, faces)
    used, index = np.unique(faces[piece_of == volumes.argmax()], return_inverse=True)
    places = torch.from_numpy(vertices[used]).float()
    colors = torch.cat([ask(part)[1] for part in torch.split(places, _AT_ONCE)])
    return Mesh(places, torch.from_numpy(index.reshape(-1, 3)), colors=colors)


def distances_on_grid(
    ask: Callable[[Tensor], Tensor], half_m: float, voxels: int
) -> tuple[NDArray[np.float32], Array, float]:
    """Distances (V + 1, V + 1, V + 1) on a cube about the unit sphere, its first point (3,), and the spacing.

    They are exact within a cell of the surface and interpolated elsewhere. `voxels` V is `COARSEST` times a
    power of two; `half_m` is half a side in metres.
    """
    origin = np.asarray(CENTER_M) - half_m
    size, distances = COARSEST, np.zeros(3 * (COARSEST + 1,), np.float32)
    where = np.ones(distances.shape, bool)
    while True:
        step_m = 2 * half_m / size
        points = torch.from_numpy((origin + np.argwhere(where) * step_m).astype(np.float32))
        distances[where] = torch.cat([ask(part) for part in torch.split(points, _AT_ONCE)]).numpy()
        if size >= voxels:
            return distances, origin, step_m
        size *= 2
        # Corner stays on corner, and the new points lie halfway
        distances = zoom(distances, (size + 1) / (size // 2 + 1), order=1).astype(np.float32)
        where = np.abs(distances) < _BAND * step_m


def asked(network: SurfaceNetwork, picture: Framed) -> Ask:
    """The field of the person in a picture."""
    with torch.no_grad():
        pixels = picture.picture[None].float() / 255
        device = network.mean_distances.device
        seen = network.look(pixels.to(device), picture.projection[None].to(device))

    def ask(points: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            field = network(seen, points[None].to(device))
        return RADIUS_M * field.distances[0].cpu(), field.colors[0].cpu()

    return ask
