"""A plain shirt: the torso's skin a little further out, cut along a plane at the neck, with a band."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from fastavatar.geometry import Array, Ints, vertex_normals
from fastavatar.head import load_head
from fastavatar.train.people import Noise, Shirt

_AWAY_M = 0.008
"""Distance of the cloth from the skin."""
_BAND_M = 0.0065
"""Radius of the collar's band, which hides the cut edge."""
_PIT = np.array([0.0, -0.128, -0.035])
"""The pit of the neck on the average head, by eye."""
_TILT = np.radians(38.0)
"""How far the neckline's plane leans forward: it rises from the pit of the neck to the nape."""


@dataclass(frozen=True)
class Cloth:
    """The surfaces of a shirt."""

    vertices: Array
    """(V, 3) metres."""
    faces: Ints
    """(F, 3) counter-clockwise from outside."""
    worn: Array
    """(H, 3) the vertices of the parametric head, those under the cloth moved out to it."""


def shirt_cloth(shirt: Shirt, vertices: Array, random: np.random.Generator) -> Cloth:
    """The shirt on a person with the parametric head's vertices (V, 3), in folds."""
    from trimesh.intersections import slice_faces_plane

    head = load_head()
    moved = head.region("torso", "neck")
    faces = head.faces[moved[head.faces].all(1)]
    normals = vertex_normals(vertices, head.faces)
    noise = Noise(random)
    folds = 0.0035 * noise.at(head.mean * [1, 0.6, 1], 0.05) + 0.0018 * noise.at(head.mean, 0.022)
    cloth = vertices + (_AWAY_M + np.maximum(folds, -0.003))[:, None] * normals
    neck = vertices[head.region("neck")].mean(0) - head.mean[head.region("neck")].mean(0)
    up = np.array([0.0, np.cos(_TILT), np.sin(_TILT)])
    origin = _PIT + neck - [0, shirt.neckline_m, 0]
    cut, cut_faces, _ = slice_faces_plane(cloth, faces, plane_normal=-up, plane_origin=origin)
    band, band_faces = _band(cut[np.abs((cut - origin) @ up) < 1e-6], up)
    return Cloth(
        np.concatenate([cut, band]),
        np.concatenate([cut_faces, band_faces + len(cut)]),
        np.where((moved & ((cloth - origin) @ up < 0))[:, None], cloth, vertices),
    )


def _band(rim: Array, up: Array) -> tuple[Array, Ints]:
    """A tube around the points (N, 3) of the neckline, which lie in a plane with the normal `up` (3,)."""
    side = np.array([1.0, 0, 0])
    front = np.cross(side, up)
    center = rim.mean(0)
    flat = np.stack([(rim - center) @ side, (rim - center) @ front], 1)
    angle, radius = np.arctan2(flat[:, 1], flat[:, 0]), np.linalg.norm(flat, axis=1)
    around = np.linspace(-np.pi, np.pi, 96, endpoint=False)
    apart = np.abs((angle[:, None] - around + np.pi) % (2 * np.pi) - np.pi)
    # The median of the points near each angle is blind to strays, and the mean of neighbours is smooth
    reach = np.array([np.median(radius[np.argsort(column)[:4]]) for column in apart.T])
    reach = uniform_filter1d(reach, 7, mode="wrap")
    out = np.cos(around)[:, None] * side + np.sin(around)[:, None] * front
    middle = center + reach[:, None] * out
    section = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    tube = np.cos(section)[:, None, None] * out * 0.45 + np.sin(section)[:, None, None] * up
    points = (middle + _BAND_M * tube).transpose(1, 0, 2)
    i, j = np.meshgrid(np.arange(96), np.arange(10), indexing="ij")
    a, b = i * 10 + j, ((i + 1) % 96) * 10 + j
    c, d = ((i + 1) % 96) * 10 + (j + 1) % 10, i * 10 + (j + 1) % 10
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return points.reshape(-1, 3), faces
