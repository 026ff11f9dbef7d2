"""A mesh of an avatar that follows the parametric head: the same vertices and texture map for everybody.

avatar's mesh ─ shapes, skeleton ─▶ rigged ─ caps, backs ─▶ closed ─ Gaussians in its texture ─▶ textured
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.core import Avatar, Binding, Gaussians, Mesh, Shapes, Skeleton, decode_colors
from fastavatar.errors import InputError
from fastavatar.geometry import edge_graph
from fastavatar.head import ARKIT_NAMES, PARENTS, load_head
from fastavatar.meshing import closed, painted, with_lids, with_plausible_insides

CAPS = ((0.91, 0.08, 0.06), (0.91, 0.22, 0.06), (0.91, 0.36, 0.06))
"""Circles in an empty corner of the texture: right arm, torso, left arm."""
SHEETS_M = {
    "upper_teeth": 1e-3,
    "lower_teeth": 1e-3,
    "gums": 1e-3,
}
"""Parts of the head that are open sheets, and the thickness that they get."""
LEFT_OUT = ("left_lashes", "right_lashes")
"""Strips that stand for hairs only under a texture with alpha; without it they are black bands."""
_DIFFUSIONS = 200
"""Steps that carry colours from lids to the middle of the sockets, over some ten edges."""


def follows_head(avatar: Avatar) -> bool:
    """Whether the avatar's mesh has the topology of the parametric head, as `fitted_mesh` needs it."""
    mesh, head = avatar.mesh, load_head()
    return (
        mesh is not None
        and avatar.binding is not None
        and avatar.head is not None
        and mesh.part_names[: len(head.part_names)] == head.part_names
        and len(mesh.faces) >= len(head.faces)
        and bool((mesh.faces[: len(head.faces)].numpy() == head.faces).all())
    )


def fitted_mesh(avatar: Avatar, texture_px: int = 2048) -> Mesh:
    """The closed mesh of an avatar with colours, 52 shapes and a skeleton, and with a texture unless 0 px.

    Vertices 0…6098 are the parametric head's, those that close it follow, then those of hair and collars,
    whose triangles are the last part. The texture is twice as wide as high: its left half has the map that
    all heads share, its right half a map of hair and collars. Raises `InputError` for an avatar that does not
    follow the parametric head and for a texture whose height is no power of two.
    """
    if not follows_head(avatar):
        raise InputError("the avatar has no mesh of the parametric head")
    if texture_px < 0 or texture_px & (texture_px - 1):
        raise InputError(f"a texture's side must be a power of two, found {texture_px}")
    avatar = with_plausible_insides(avatar)
    assert avatar.mesh is not None and avatar.binding is not None
    gaussians = avatar.gaussians.detach().to("cpu", torch.float32)
    colored = replace(avatar.mesh, colors=_vertex_colors(avatar.mesh, gaussians, avatar.binding))
    colored, lids = with_lids(colored, gaussians, avatar.binding)
    names = load_head().part_names
    mesh = closed(
        _rigged(avatar, colored), CAPS, {names.index(part): depth for part, depth in SHEETS_M.items()}
    )
    if not texture_px:
        return replace(_without_lashes(mesh), uv=None, uv_faces=None)
    return _without_lashes(painted(mesh, avatar, lids, texture_px))


def _without_lashes(mesh: Mesh) -> Mesh:
    """The mesh without the triangles of `LEFT_OUT`; vertices stay, so that the others keep their numbers."""
    assert mesh.parts is not None
    left_out = torch.tensor([mesh.part_names.index(name) for name in LEFT_OUT])
    kept = ~torch.isin(mesh.parts, left_out)
    return replace(
        mesh,
        faces=mesh.faces[kept],
        parts=mesh.parts[kept],
        uv_faces=None if mesh.uv_faces is None else mesh.uv_faces[kept],
    )


def _vertex_colors(mesh: Mesh, gaussians: Gaussians, binding: Binding) -> Tensor:
    """(V, 3) means of the Gaussians bound around each vertex, carried on to vertices that have none."""
    colors = decode_colors(gaussians.sh[:, 0]).clamp(0, 1).double().numpy()
    weights = (binding.weights.clamp(min=0) * gaussians.opacities[:, None]).double().numpy()
    corners, count = binding.corners.numpy().ravel(), len(mesh.vertices)
    total = np.bincount(corners, weights.ravel(), count)
    sums = [np.bincount(corners, (weights * one[:, None]).ravel(), count) for one in colors.T]
    known = total > 1e-3
    found = np.where(known[:, None], np.stack(sums, 1) / np.maximum(total, 1e-9)[:, None], 0.0)
    # Rows of known vertices stay; the others take the mean of their neighbours that have a colour by now
    links = edge_graph(mesh.faces.numpy(), count)
    share = known.astype(np.float64)
    for _ in range(_DIFFUSIONS):
        around = links @ share
        mean = links @ (share[:, None] * found) / np.maximum(around, 1e-9)[:, None]
        found, share = np.where(known[:, None], found, mean), np.where(known, 1.0, np.minimum(around, 1.0))
    # A part without any Gaussian, such as teeth behind closed lips, gets the mean colour
    found[share == 0] = found[known].mean(0) if known.any() else 0.5
    return torch.from_numpy(found).float()


def _rigged(avatar: Avatar, mesh: Mesh) -> Mesh:
    """The mesh with the head's shapes and skeleton.

    What is beyond follows the head, the neck and the torso as the nearest skin does, not the jaw, and no
    shape moves it.
    """
    head = load_head()
    assert avatar.head is not None
    first, count = len(head.mean), len(mesh.vertices)
    offsets = torch.zeros(len(ARKIT_NAMES), count, 3)
    offsets[:, :first] = torch.from_numpy(head.actions)
    places = mesh.vertices.double().numpy()
    skin = np.unique(head.faces[head.part("skin")])
    nearest = skin[cKDTree(places[skin]).query(places[first:])[1]]
    followed = head.weights[nearest]
    joint = head.joint_names.index
    bones = [joint(name) for name in head.joint_names if name not in ("neck", "head")]
    followed[:, joint("head")] += followed[:, bones].sum(1)
    followed[:, bones] = 0
    weights = torch.from_numpy(np.concatenate([head.weights, followed])).float()
    return replace(
        mesh,
        shapes=Shapes(ARKIT_NAMES, offsets),
        skeleton=Skeleton(head.joint_names, PARENTS, avatar.head.joints, weights),
    )
