"""The part of a mesh of the head that is seen from outside."""

import torch

from fastavatar.core import Mesh
from fastavatar.head import load_head

INSIDE = ("mouth", "sockets", "lashes", "teeth", "gums", "tongue")
"""Regions behind lips and lids, and strips that stand for hairs."""


def outside_of(mesh: Mesh) -> Mesh:
    """The mesh without `INSIDE` if it begins with the parametric head's triangles, else the mesh itself.

    What is left is skin and eyeballs, with holes between the lips and around the eyes.
    """
    head = load_head()
    count = len(head.faces)
    if len(mesh.faces) < count or not torch.equal(mesh.faces[:count].cpu(), torch.from_numpy(head.faces)):
        return mesh
    kept = torch.ones(len(mesh.faces), dtype=torch.bool)
    kept[:count] = torch.from_numpy(~head.region(*INSIDE)[head.faces].any(1))
    return mesh.subset(kept)
