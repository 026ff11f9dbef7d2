"""Meshes as binary `.stl` files for printing.

The format states neither unit nor axes. Programs for 3D printing take its numbers as millimetres and its z
axis as upward, so a head is written that way: it stands upright on the plate, at life size, and looks along
−y.
"""

from dataclasses import replace
from pathlib import Path

import torch

from fastavatar.core import Mesh
from fastavatar.formats.meshes import loaded_by_trimesh, to_trimesh

MM = 1000.0
TO_Z_UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Head frame to the axes of printing: x stays, y becomes z, z becomes −y."""


def encode_stl(mesh: Mesh, name: str) -> dict[str, bytes]:
    """The bytes of the one file `name`."""
    from trimesh.exchange.stl import export_stl

    vertices = MM * mesh.vertices.detach().cpu().double() @ TO_Z_UP.T.double()
    return {name: export_stl(to_trimesh(replace(mesh, vertices=vertices, colors=None, texture=None)))}


def parse_stl(path: Path) -> Mesh:
    """The mesh in an STL file, text or binary, which is taken as millimetres with z upward.

    Corners at one place become one vertex. Raises `InputError` when the file is missing or damaged.
    """
    read = loaded_by_trimesh(path, "stl")
    places, index = torch.unique(read.vertices, dim=0, return_inverse=True)
    return Mesh((places.double() @ TO_Z_UP.double() / MM).float(), index[read.faces])


def losses(mesh: Mesh) -> tuple[str, ...]:
    """What of `mesh` the format cannot hold, one sentence each."""
    colored = mesh.texture is not None or mesh.colors is not None
    moving = mesh.shapes is not None or mesh.skeleton is not None
    return (("the colours are left out",) if colored else ()) + (
        ("shapes and skeleton are left out",) if moving else ()
    )
