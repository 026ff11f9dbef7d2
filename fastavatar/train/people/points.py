"""The 10,144 points of every made-up person, in one order: places on the triangles of the parametric head."""

from functools import cache

import numpy as np

from fastavatar.geometry import Array, Ints, sample_triangles, triangle_areas
from fastavatar.head import load_head
from fastavatar.train.people import skin_faces

POINTS = 10_144
"""As many points as NeRSemble's captures and the published networks have: triangles of FLAME."""
_LOWEST_M = -0.20
"""Where points end below the neck, on the average head: pictures like NeRSemble's end there, too."""
_SPACING = {
    "face": 1.0,
    "lips": 0.7,
    "eyelids": 0.8,
    "eyes": 0.8,
    "jaw": 1.2,
    "ear": 1.2,
    "neck": 1.8,
    "torso": 2.4,
}
"""Distance between points in each region, relative to the face; elsewhere 1.8."""


@cache
def point_places() -> tuple[Ints, Array]:
    """Vertex indices (P, 3) of the triangles that the points lie on, and barycentric weights (P, 3)."""
    head = load_head()
    eyes = head.part("left_eye", "right_eye") & (head.mean[head.faces].mean(1)[:, 2] > 0.024)
    outer = (skin_faces(head) | eyes) & (head.mean[head.faces].mean(1)[:, 1] > _LOWEST_M)
    faces = head.faces[outer]
    names = np.array(head.region_names)[head.regions[faces[:, 0]]]
    spacing = np.array([_SPACING.get(str(name), 1.8) for name in names])
    demand = (triangle_areas(head.mean, faces) / spacing**2).sum()
    owner, weights = sample_triangles(head.mean, faces, spacing * np.sqrt(demand / (POINTS + 0.5)))
    return faces[owner], weights


def points_on(vertices: Array) -> Array:
    """The points (10144, 3) of a person with these vertices (V, 3) of the parametric head."""
    corners, weights = point_places()
    return np.asarray(np.einsum("pk,pkc->pc", weights, vertices[corners]))
