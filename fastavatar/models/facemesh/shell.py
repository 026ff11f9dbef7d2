"""The whole surface of a person: the fitted head, closed at its cut, and what is beyond the head."""

from dataclasses import dataclass

import numpy as np

from fastavatar.geometry import Array, Bools, Ints, unit_vectors, vertex_normals
from fastavatar.models.facemesh import (
    BEYOND,
    TORSO,
    Cut,
    SurfacePoints,
    Volume,
    load_template,
    stretch,
    surface_points,
    with_flat_eyes,
    with_volume,
)


@dataclass(frozen=True)
class Shell:
    """One mesh of head and volume, and points spread over it; head frame, metres."""

    vertices: Array
    """(V, 3) the head's with flat eyes, then the volume's."""
    faces: Ints
    """(F, 3)"""
    region: Ints
    """(V,) as in `HeadTemplate`, or `BEYOND`."""
    normals: Array
    """(V, 3)"""
    points: SurfacePoints
    """N points."""
    spacing: Array
    """(N,) distances between them on this mesh."""
    stays: Bools
    """(N,) which of them are not cut off."""

    def point_normals(self) -> Array:
        """(N, 3) unit normals at the points."""
        return unit_vectors(self.points.at(self.normals))


def make_shell(vertices: Array, volume: Volume, cut: Cut | None) -> Shell:
    """The shell of a fitted head (V, 3) and a volume; the torso ends at the cut."""
    template, points = load_template(), surface_points(fine_eyes=True)
    stays = np.ones(len(points.region), bool)
    if cut is not None:
        vertices, whole = cut.closed(vertices, template.region == TORSO)
        stays = points.at(whole[:, None].astype(np.float64))[:, 0] > 0.5
    vertices = with_flat_eyes(vertices)
    spacing = points.spacing * stretch(points, template.vertices, vertices)
    if not len(volume.vertices):
        normals = vertex_normals(vertices, template.faces)
        return Shell(vertices, template.faces, template.region, normals, points, spacing, stays)
    # The volume's vertices and points follow the head's
    points = with_volume(points, volume, vertices)
    more = len(points.region) - len(stays)
    return Shell(
        np.concatenate([vertices, volume.vertices]),
        np.concatenate([template.faces, volume.faces + len(vertices)]),
        np.pad(template.region, (0, len(volume.vertices)), constant_values=BEYOND),
        np.concatenate(
            [vertex_normals(vertices, template.faces), vertex_normals(volume.vertices, volume.faces)]
        ),
        points,
        np.concatenate([spacing, points.spacing[len(spacing) :]]),
        np.pad(stays, (0, more), constant_values=True),
    )
