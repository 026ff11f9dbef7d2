"""Meshes with holes, closed."""

import torch
from torch import Tensor

from fastavatar.core import Mesh


def solid_of(mesh: Mesh) -> Mesh:
    """The mesh with each hole closed by a fan about the middle of its rim: distances have no jump there.

    The winding number would close them, too, but away from any surface to measure the distance from.
    """
    loops = mesh.boundary_loops()
    first = len(mesh.vertices)
    fans = [
        torch.stack([torch.full_like(loop, first + index), loop.roll(-1), loop], 1)
        for index, loop in enumerate(loops)
    ]

    def with_middles(values: Tensor) -> Tensor:
        return torch.cat([values, *(values[loop].mean(0, keepdim=True) for loop in loops)])

    colors = None if mesh.colors is None else with_middles(mesh.colors)
    return Mesh(with_middles(mesh.vertices), torch.cat([mesh.faces, *fans]), colors=colors)
