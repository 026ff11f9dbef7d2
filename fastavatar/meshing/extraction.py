"""`fa.extract_mesh`: one closed, textured mesh from any head."""

from dataclasses import replace

import torch

from fastavatar.core import Avatar, Gaussians, Mesh
from fastavatar.errors import UsageError
from fastavatar.meshing import (
    colored,
    simplified,
    smoothed,
    solid_of,
    textured,
    unwrap,
    views_all_round,
)

FACES = 30_000
"""Triangles of a mesh by default: 20,000 to 40,000 are all within 0.02 mm of each other on the bust."""
TEXTURE_PX = 2048
SMOOTHING = 5
"""Rounds of Taubin's smoothing by default."""


def extract_mesh(
    head: Avatar | Gaussians,
    *,
    faces: int = FACES,
    texture_px: int = TEXTURE_PX,
    smooth: int = SMOOTHING,
    shapes: bool = True,
) -> Mesh:
    """A closed mesh of a head: one piece, wound outward, metres, with a texture or colours of its vertices.

    Gaussians are drawn from all round, and their depths fused into a volume of signed distances, whose
    surface is cut out, smoothed, simplified, unwrapped and coloured from the same pictures. It takes seconds
    on two cores. The same input gives the same mesh.

    Args:
        head: An avatar, or any Gaussians in the head frame.
        faces: Number of triangles, about.
        texture_px: Side of the texture in pixels; 0 gives colours of the vertices instead.
        smooth: Rounds of Taubin's smoothing; 0 leaves the surface as it is cut out.
        shapes: Whether expressions and skeleton of an avatar's own mesh come along; Gaussians have none.

    Raises:
        InputError: The Gaussians show no solid surface, or several pieces of like size.
        UsageError: A number of faces, texels or rounds makes no sense.
    """
    if faces < 4 or texture_px < 0 or smooth < 0:
        raise UsageError(f"no mesh has {faces} faces, {texture_px} texels or {smooth} rounds of smoothing")
    gaussians = (head.gaussians if isinstance(head, Avatar) else head).detach()
    return mesh_of_gaussians(gaussians, faces, texture_px, smooth)


def mesh_of_gaussians(gaussians: Gaussians, faces: int, texture_px: int, smooth: int) -> Mesh:
    """The mesh of any Gaussians; arguments and errors are those of `extract_mesh`."""
    views, sides = views_all_round(gaussians)
    vertices, triangles = solid_of(gaussians, views, sides)
    vertices, triangles = simplified(smoothed(vertices, triangles, smooth), triangles, faces)
    mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(triangles))
    if not texture_px:
        return colored(mesh, views)
    uv, uv_faces = unwrap(vertices, triangles)
    with_uv = replace(mesh, uv=torch.from_numpy(uv).float(), uv_faces=torch.from_numpy(uv_faces))
    return textured(with_uv, views, texture_px)
