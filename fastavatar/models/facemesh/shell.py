"""The whole surface of a person: the fitted head, closed at its cut, and what is beyond the head."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree

from fastavatar.core import Mesh
from fastavatar.geometry import Array, Bools, Ints, unit_vectors, vertex_normals
from fastavatar.head import load_head
from fastavatar.models.facemesh import (
    BEYOND,
    BEYOND_SPACING_M,
    NECK,
    SPACING_M,
    TORSO,
    Cut,
    SurfacePoints,
    Volume,
    load_template,
    stretch,
    surface_points,
    with_more,
)

BEYOND_PART = "beyond"
"""Name of the part of an avatar's mesh that is no part of the parametric head: hair and collars."""


@dataclass(frozen=True)
class Shell:
    """One mesh of head and volume, and points spread over it; head frame, metres."""

    vertices: Array
    """(V, 3) the head's, then the volume's."""
    faces: Ints
    """(F, 3)"""
    region: Ints
    """(V,) as in `HeadTemplate`, or `BEYOND`."""
    hair: Bools
    """(V,) which are known to be hair, as no view shows them."""
    normals: Array
    """(V, 3)"""
    points: SurfacePoints
    """N points, with the spacing that they have here."""
    means: Array
    """(N, 3) where they lie."""
    point_normals: Array
    """(N, 3) their unit normals."""
    stays: Bools
    """(N,) which of them the cut leaves in place."""

    @cached_property
    def tree(self) -> cKDTree:
        """Finds the points near a place."""
        return cKDTree(self.means)

    def mesh(self) -> Mesh:
        """The shell with the parametric head's parts and texture coordinates, lashes included.

        The volume is a part of its own, `BEYOND_PART`, without texture coordinates of its own.
        """
        head = load_head()
        beyond = self.faces[(self.region[self.faces] == BEYOND).all(1)]
        faces = np.concatenate([head.faces, beyond])
        return Mesh(
            torch.from_numpy(self.vertices).float(),
            torch.from_numpy(faces),
            regions=torch.from_numpy(self.region),
            uv=torch.from_numpy(head.uv).float(),
            uv_faces=torch.from_numpy(np.pad(head.uv_faces, ((0, len(beyond)), (0, 0)))),
            parts=torch.from_numpy(
                np.pad(head.parts, (0, len(beyond)), constant_values=len(head.part_names))
            ),
            part_names=(*head.part_names, BEYOND_PART),
        )


def make_shell(vertices: Array, volume: Volume, cut: Cut | None) -> Shell:
    """The shell of a fitted head (V, 3) and a volume; the torso ends at the cut."""
    template, points = load_template(), surface_points()
    points = replace(points, spacing=points.spacing * stretch(points, template.vertices, vertices))
    stays, count = np.ones(len(points.corners), bool), len(vertices)
    if cut is not None:
        closed = cut.closed(vertices, np.isin(template.region, (NECK, TORSO)), template.edges)
        moved = (closed != vertices).any(1)
        vertices, stays = closed, ~moved[points.corners].any(1)
        # Triangles shrink or grow to the cut: on the moved ones, points are spread once more
        lid = template.faces[moved[template.faces].any(1)]
        points = with_more(points, vertices, lid, TORSO, SPACING_M[TORSO])
    # The volume's vertices and points follow the head's
    whole_mesh = np.concatenate([vertices, volume.vertices])
    points = with_more(points, whole_mesh, volume.faces + count, BEYOND, BEYOND_SPACING_M)
    normals = np.concatenate(
        [vertex_normals(vertices, template.faces), vertex_normals(volume.vertices, volume.faces)]
    )
    return Shell(
        whole_mesh,
        np.concatenate([template.faces, volume.faces + count]),
        np.pad(template.region, (0, len(volume.vertices)), constant_values=BEYOND),
        np.pad(volume.hair, (count, 0)),
        normals,
        points,
        points.at(whole_mesh),
        unit_vectors(points.at(normals)),
        np.pad(stays, (0, len(points.corners) - len(stays)), constant_values=True),
    )
