"""The texture of a fitted head: the head's own map in the left half, a map of what is beyond it in the right.

Gaussians ─┬─ drawn in the texture's plane ─┬─ blended ─ padded ─ seams levelled ─▶ one half
           └─ seen from all round ──────────┘

In the plane discs cover one another as they do before the photo's camera. From elsewhere others are in front,
so where a surface turns away from that camera the pictures from all round count.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from fastavatar.core import Avatar, Mesh
from fastavatar.geometry import Array, unit_vectors
from fastavatar.head import load_head
from fastavatar.meshing import (
    RIM_PX,
    SHARPNESS,
    DepthViews,
    draw_texture,
    levelled,
    padded,
    rasterise_layout,
    seen_colors,
    unwrap,
    views_around,
)

PHOTO_WEIGHT = 10.0
"""The plane counts for so many pictures where the surface faces the photo's camera. Fewer blur what the photo
shows; with more the sides keep what only the photo's camera sees so. Chosen by eye, at 0.4 dB of likeness."""
LEAST_WEIGHT = 0.01
"""The same where it turns away; pictures outweigh it from 56° to their axes on."""

MOST_SHARE = 0.999


def painted(mesh: Mesh, avatar: Avatar, shares: Tensor, texture_px: int) -> Mesh:
    """The closed mesh of `avatar` with a texture (texture_px, 2 texture_px, 3) of its Gaussians' colours.

    `mesh` has vertex colours and the head's own texture coordinates, which move to the left half. What is no
    part of the head gets coordinates in the right half, which depend on its shape. The first vertices keep
    `shares` (N,) of their own colours in the texture.
    """
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.parts is not None
    outside = (mesh.parts >= len(load_head().part_names))[:, None]
    shares = torch.cat([shares, torch.zeros(len(mesh.vertices) - len(shares))])
    views = views_around(avatar.gaussians)
    head = replace(mesh, uv_faces=torch.where(outside, 0, mesh.uv_faces))
    halves = [_half(head, avatar, views, shares, texture_px)]
    uv, uv_faces = mesh.uv * torch.tensor([0.5, 1.0]), head.uv_faces
    if outside.any():
        hair = _unwrapped(mesh, outside)
        assert hair.uv is not None and hair.uv_faces is not None and uv_faces is not None
        halves.append(_half(hair, avatar, views, shares, texture_px))
        uv_faces = torch.where(outside, hair.uv_faces + len(uv), uv_faces)
        uv = torch.cat([uv, hair.uv * torch.tensor([0.5, 1.0]) + torch.tensor([0.5, 0.0])])
    else:
        halves.append(halves[0].mean((0, 1)).expand_as(halves[0]))
    texture = (torch.cat(halves, 1) * 255).round().to(torch.uint8)
    return replace(mesh, uv=uv, uv_faces=uv_faces, texture=texture)


def _unwrapped(mesh: Mesh, chosen: Tensor) -> Mesh:
    """The mesh with a texture map of the chosen triangles (F, 1) alone; the others have no area there."""
    vertices, faces = mesh.vertices.double().numpy(), mesh.faces[chosen[:, 0]].numpy()
    used, index = np.unique(faces, return_inverse=True)
    uv, own = unwrap(vertices[used], index.reshape(-1, 3))
    uv_faces = torch.zeros_like(mesh.faces)
    uv_faces[chosen[:, 0]] = torch.from_numpy(own)
    return replace(mesh, uv=torch.from_numpy(uv).float(), uv_faces=uv_faces)


def _half(mesh: Mesh, avatar: Avatar, views: DepthViews, shares: Tensor, size_px: int) -> Tensor:
    """A texture (H, H, 3) in 0…1 for the texture map of `mesh`."""
    drawn, used = draw_texture(mesh, avatar, size_px)
    # Pictures and colours of vertices are coarser than the texture: every second texel will do
    coarse = _around(mesh, avatar, views, shares, max(size_px // 2, 1))
    fine = interpolate(coarse[None], (size_px, size_px), mode="bilinear")[0, :, used]
    own, total, sums, base = fine[0, :, None], fine[1, :, None], fine[2:5].T, fine[5:].T
    own_colors = drawn[used]
    own_colors = own_colors[:, :3] + (1 - own_colors[:, 3:]) * base
    texture = torch.zeros(size_px, size_px, 3)
    texture[used] = (own * own_colors + sums) / (own + total)
    return levelled(padded(texture, used), mesh)


def _around(mesh: Mesh, avatar: Avatar, views: DepthViews, shares: Tensor, size_px: int) -> Tensor:
    """(8, H, H): weights of the plane and of others, the sum of those others by weight, vertex colours."""
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.colors is not None
    layout = rasterise_layout(mesh.uv.double().numpy(), mesh.uv_faces.numpy(), size_px, RIM_PX)
    used = layout.used
    corners, weights = mesh.faces.numpy()[layout.face[used]], layout.weights[used]

    def at(values: Tensor) -> Array:
        return np.asarray(np.einsum("nk,nkc->nc", weights, values.float().numpy()[corners]))

    points, normals = at(mesh.vertices), at(mesh.normals())
    sums, total = seen_colors(points, normals, views)
    eye = avatar.camera.to("cpu", torch.float64).center.numpy()
    facing = (unit_vectors(eye - points) * normals).sum(1).clip(0)
    own = PHOTO_WEIGHT * facing**SHARPNESS + LEAST_WEIGHT
    # A share s of all weight belongs to the vertices: w = s / (1 − s) of the others' together
    share = at(shares[:, None]).clip(0, MOST_SHARE)
    kept = share / (1 - share) * (own + total)[:, None]
    plain = at(mesh.colors)
    sums, total = sums + kept * plain, total + kept[:, 0]
    found = np.zeros((8, size_px, size_px), np.float32)
    found[0] = LEAST_WEIGHT
    found[:, used] = np.concatenate([[own, total], sums.T, plain.T])
    return torch.from_numpy(found)
