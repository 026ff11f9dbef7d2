"""`fa.extract_mesh`: one closed, textured mesh from any head."""

import logging
from dataclasses import replace

import torch

from fastavatar.core import Avatar, Gaussians, Mesh
from fastavatar.errors import UsageError
from fastavatar.geometry import Array, Ints
from fastavatar.meshing import (
    DepthViews,
    colored,
    fitted_mesh,
    follows_head,
    simplified,
    smoothed,
    solid_of,
    surface_of_solid,
    textured,
    unwrap,
    views_all_round,
)
from fastavatar.models.shoulders import gaussians_without_shoulders

log = logging.getLogger(__name__)

FACES = 30_000
"""Triangles of a mesh by default; chosen by eye."""
TEXTURE_PX = 2048
BLURS = (1.0, 1.5, 2.0)
"""Blur of the distances in voxels, tried in turn until triangles can be collapsed and none opens.

Without it the bust has 66 handles of a voxel's size, with the first it has none.
"""
SMOOTHING = 5
"""Rounds of Taubin's smoothing by default."""


def extract_mesh(
    head: Avatar | Gaussians,
    *,
    faces: int = FACES,
    texture_px: int = TEXTURE_PX,
    smooth: int | None = None,
    shapes: bool = True,
    shoulders: bool = True,
) -> Mesh:
    """A closed mesh of a head, wound outward, in metres, with a texture or colours of its vertices.

    An avatar of the embedded model gives its own mesh, which has the same vertices and texture map for
    everybody, eyes and teeth as parts, expressions as shapes and a skeleton. One with a surface of its own,
    as of the model `surface`, gives that, simplified. Any other Gaussians, and those
    of an avatar whose mesh is to be smoothed or to end at the neck, are drawn from all round. Their depths
    are fused into a volume of signed distances, whose surface is cut out, smoothed, simplified, unwrapped and
    coloured from the same pictures: one piece. The same input gives the same mesh.

    Args:
        head: An avatar, or any Gaussians in the head frame.
        faces: Number of triangles, about; an avatar's own mesh keeps its own.
        texture_px: Side of the texture in pixels, a power of two; 0 gives colours of the vertices instead.
        smooth: Rounds of Taubin's smoothing; by default 5 for Gaussians, none for an avatar's own mesh.
        shapes: Whether expressions and skeleton of an avatar's own mesh come along; Gaussians have none.
        shoulders: Whether the torso stays.

    Raises:
        InputError: The Gaussians show no solid surface, or several pieces of like size.
        UsageError: A number of triangles, texels or rounds makes no sense.
    """
    rounds = SMOOTHING if smooth is None else smooth
    if faces < 4 or texture_px < 0 or texture_px & (texture_px - 1) or rounds < 0:
        raise UsageError(f"no mesh has {faces} triangles, {texture_px} px of texture and {rounds} smoothings")
    if isinstance(head, Avatar) and shoulders and not smooth and follows_head(head):
        mesh = fitted_mesh(head, texture_px)
        return mesh if shapes else replace(mesh, shapes=None, skeleton=None)
    gaussians = head.gaussians if isinstance(head, Avatar) else head
    if not shoulders:
        gaussians = gaussians_without_shoulders(gaussians)[0]
    elif isinstance(head, Avatar) and head.mesh is not None and head.head is None:
        return mesh_of_surface(head.mesh, gaussians, faces, texture_px, smooth or 0)
    return mesh_of_gaussians(gaussians, faces, texture_px, rounds)


def mesh_of_gaussians(gaussians: Gaussians, faces: int, texture_px: int, smooth: int) -> Mesh:
    """The mesh of any Gaussians, drawn from all round; arguments and errors are those of `extract_mesh`."""
    gaussians = gaussians.detach()
    views, sides = views_all_round(gaussians)
    distances, grid = solid_of(gaussians, views, sides)
    for blur_voxels in BLURS:
        vertices, triangles = surface_of_solid(distances, grid, blur_voxels)
        vertices = smoothed(vertices, triangles, smooth)
        fewer = simplified(vertices, triangles, faces)
        if fewer is not None:
            vertices, triangles = fewer
            break
    _tell_if_more(triangles, faces)
    return _painted(vertices, triangles, views, texture_px)


def mesh_of_surface(surface: Mesh, gaussians: Gaussians, faces: int, texture_px: int, smooth: int) -> Mesh:
    """The closed mesh `surface` with about `faces` triangles and the colours of Gaussians that lie on it."""
    vertices, triangles = surface.vertices.detach().cpu().double().numpy(), surface.faces.cpu().numpy()
    vertices = smoothed(vertices, triangles, smooth)
    vertices, triangles = simplified(vertices, triangles, faces) or (vertices, triangles)
    _tell_if_more(triangles, faces)
    return _painted(vertices, triangles, views_all_round(gaussians.detach())[0], texture_px)


def _tell_if_more(triangles: Ints, faces: int) -> None:
    """Warn where a surface stays closed only with far more triangles than were asked for."""
    if len(triangles) > 2 * faces:
        log.warning(
            "with about %d triangles the mesh would not stay closed: it has %d", faces, len(triangles)
        )


def _painted(vertices: Array, triangles: Ints, views: DepthViews, texture_px: int) -> Mesh:
    """The mesh with a texture of that side from views, or with colours of its vertices for 0."""
    mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(triangles))
    if not texture_px:
        return colored(mesh, views)
    uv, uv_faces = unwrap(vertices, triangles)
    with_uv = replace(mesh, uv=torch.from_numpy(uv).float(), uv_faces=torch.from_numpy(uv_faces))
    return textured(with_uv, views, texture_px)
