"""The whole surface of a person: the fitted head, closed at its cut, and what is beyond the head."""

from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Mesh
from fastavatar.geometry import Array, Bools, Ints, triangle_areas, unit_vectors, vertex_normals
from fastavatar.head import load_head
from fastavatar.models.facemesh import (
    BEYOND,
    NECK,
    TORSO,
    Cut,
    SurfacePoints,
    Volume,
    load_template,
    stretch,
    surface_points,
    with_volume,
)

BEYOND_PART = "beyond"
"""Name of the part of an avatar's mesh that is no part of the parametric head: hair and collars."""

_LEAST_AREA_M2 = 1e-9


@dataclass(frozen=True)
class Shell:
    """One mesh of head and volume, and points spread over it; head frame, metres."""

    vertices: Array
    """(V, 3) the head's, then the volume's."""
    faces: Ints
    """(F, 3)"""
    region: Ints
    """(V,) as in `HeadTemplate`, or `BEYOND`."""
    normals: Array
    """(V, 3)"""
    points: SurfacePoints
    """N points."""
    means: Array
    """(N, 3) where they lie."""
    point_normals: Array
    """(N, 3) their unit normals."""
    spacing: Array
    """(N,) distances between them on this mesh."""
    stays: Bools
    """(N,) which of them lie on triangles that are not cut off."""

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
    if cut is not None:
        vertices = cut.closed(vertices, np.isin(template.region, (NECK, TORSO)), template.edges)
    # Triangles below the cut have shrunk to nothing on its rim
    stays = triangle_areas(vertices, points.corners) > _LEAST_AREA_M2
    spacing = points.spacing * stretch(points, template.vertices, vertices)
    points = with_volume(points, volume, vertices)
    more = len(points.region) - len(stays)
    # The volume's vertices and points follow the head's
    whole_mesh = np.concatenate([vertices, volume.vertices])
    normals = np.concatenate(
        [vertex_normals(vertices, template.faces), vertex_normals(volume.vertices, volume.faces)]
    )
    return Shell(
        whole_mesh,
        np.concatenate([template.faces, volume.faces + len(vertices)]),
        np.pad(template.region, (0, len(volume.vertices)), constant_values=BEYOND),
        normals,
        points,
        points.at(whole_mesh),
        unit_vectors(points.at(normals)),
        np.concatenate([spacing, points.spacing[len(spacing) :]]),
        np.pad(stays, (0, more), constant_values=True),
    )
