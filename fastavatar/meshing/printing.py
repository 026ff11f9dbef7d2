"""One closed solid of a mesh of several closed parts, as 3D printing needs it."""

from dataclasses import replace

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.geometry import edge_graph

LEAST_EDGE_M = 2e-5
"""Shorter edges are collapsed: their ends would be one point in the 32-bit numbers of an STL."""


def printable(mesh: Mesh) -> Mesh:
    """The outer surface of the union of all closed parts of `mesh`, in one piece; it has no colours.

    Small pieces that touch no other are left out, and voids inside are filled. Source of the union: Manifold,
    github.com/elalish/manifold. Raises `InputError` if no part encloses a volume.
    """
    from manifold3d import Manifold, OpType
    from manifold3d import Mesh as ManifoldMesh

    parts = torch.zeros(len(mesh.faces)) if mesh.parts is None else mesh.parts
    bodies = []
    for part in sorted(set(parts.tolist())):
        piece = mesh.subset(parts == part)
        vertices = np.ascontiguousarray(piece.vertices.detach().float().cpu().numpy())
        body = Manifold(ManifoldMesh(vertices, piece.faces.cpu().numpy().astype(np.uint32)))
        if body.num_tri() and body.volume() > 0:
            bodies.append(body)
    if not bodies:
        raise InputError("no part of the mesh encloses a volume")
    joined = Manifold.batch_boolean(bodies, OpType.Add).simplify(LEAST_EDGE_M).to_mesh()
    faces = np.array(joined.tri_verts, np.int64)
    vertices = np.array(joined.vert_properties[:, :3], np.float32)
    pieces = connected_components(edge_graph(faces, len(vertices)), directed=False)[1]
    corners = vertices[faces].astype(np.float64)
    # Signed volume of each piece, Σ a · (b × c) / 6; that of the surface of a void is negative
    volumes = np.bincount(
        pieces[faces[:, 0]], np.einsum("nc,nc->n", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    )
    whole = Mesh(torch.from_numpy(vertices), torch.from_numpy(faces))
    return _apart(whole.subset(torch.from_numpy(pieces[faces[:, 0]] == volumes.argmax())))


def _apart(mesh: Mesh) -> Mesh:
    """The mesh with vertices at one point moved inward, so that a file without indices stays closed."""
    index, count = torch.unique(mesh.vertices, dim=0, return_inverse=True, return_counts=True)[1:]
    alone = (count[index] == 1)[:, None]
    return replace(mesh, vertices=mesh.vertices - torch.where(alone, 0.0, LEAST_EDGE_M * mesh.normals()))
