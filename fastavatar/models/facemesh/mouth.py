"""The inside of an open mouth: a dental arch behind the lips, and the cavity where the mouth is wide open.

The template spans the mouth by a strip of triangles from the upper to the lower inner lip. Points on the
strip move backward, against the face's direction, by a depth that is 0 at the lips:

 lips' rim ─ slope ─▶ teeth, on an arch behind the lips ─ slope ─▶ cavity, far from either lip
"""

from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools, Ints, inside_polygon
from fastavatar.models.facemesh import LOWER_LIP, MOUTH_CORNERS, UPPER_LIP, OnMesh

CLOSED_M = 0.003
"""Lips nearer than this show no teeth; from twice the distance on the mouth has its full depth."""
ARCH_WIDTH_M, ARCH_DEPTH_M = 0.0579, 0.0316
"""Outer width and depth of the upper dental arch at the first molars (Mina et al. 2017, Odontology
105:229)."""
TEETH_M = (0.003, 0.008)
"""Depth of the teeth behind the strip: in its middle, and the most toward the corners; chosen by eye."""
CAVITY_M = 0.012
"""Depth of the cavity behind the strip; chosen by eye."""
_PARTED_M = (0.005, 0.014)
"""Distances from the lips between which teeth give way to the cavity."""
_FORWARD = np.array([0.0, 0, 1])
_SLOPE = 1.0
"""Slope of the surface from the lips to the teeth: if much steeper, a frontal photo would not see it."""
_STEP = 1e-4
"""Step of the central differences that give normals, in sides of a triangle."""


@dataclass(frozen=True)
class Mouth:
    """N points of a head, those between its lips moved into the mouth; head frame, metres."""

    means: Array
    """(N, 3)"""
    normals: Array
    """(N, 3) of unit length."""
    depth: Array
    """(N,) depth that each point moved by; 0 outside the mouth."""
    stretch: Array
    """(N,) factor on the spacing of the points, as the moved surface is longer than the flat strip."""


def open_mouth(points: OnMesh, vertices: Array, means: Array, normals: Array) -> Mouth:
    """The points' means and normals (N, 3), with those between the lips of the head (V, 3) behind them."""
    mouth = Mouth(means.copy(), normals.copy(), np.zeros(len(means)), np.ones(len(means)))
    if _opening(vertices) == 0:
        return mouth
    inside = np.flatnonzero(_between_lips(points.corners))
    a, b, c = (vertices[points.corners[inside, k]] for k in range(3))
    flat = points.at(vertices)[inside]

    # A moved point is x − d(x)·f, so the tangent along `side` is side − (∂d/∂side)·f
    def tangent(side: Array) -> Array:
        ahead, behind = (_depth(flat + step * side, vertices) for step in (_STEP, -_STEP))
        return np.asarray(side - ((ahead - behind) / (2 * _STEP))[:, None] * _FORWARD)

    mouth.depth[inside] = _depth(flat, vertices)
    mouth.means[inside] = flat - mouth.depth[inside, None] * _FORWARD
    # Their cross product gives the normal, and its length the area against the flat strip's
    across, flat_across = np.cross(tangent(b - a), tangent(c - a)), np.cross(b - a, c - a)
    area = np.maximum(np.linalg.norm(across, axis=1), 1e-15)
    forward = np.sign(across[:, 2:])  # on one half of the head the corners run clockwise
    mouth.normals[inside] = forward * across / area[:, None]
    mouth.stretch[inside] = np.sqrt(area / np.maximum(np.linalg.norm(flat_across, axis=1), 1e-15))
    return mouth


def inner_lips(vertices: Array) -> Array:
    """The lips' inner rim (20, 3) of a head (V, 3), once round the mouth."""
    right, left = MOUTH_CORNERS
    return np.asarray(vertices[[right, *UPPER_LIP, left, *LOWER_LIP[::-1]]])


def seen_between_lips(means: Array, lips: Array, camera: Camera) -> Bools:
    """Which points (N, 3) in the mouth a camera sees within the lips' inner rim (20, 3)."""
    means_px, lips_px = (camera.project(torch.from_numpy(places))[0].numpy() for places in (means, lips))
    return inside_polygon(means_px, lips_px)


def arch_depth(across: Array) -> Array:
    """Depths (N,) behind the front teeth of teeth `across` (N,) metres from the middle.

    The arch is the beta function of Braun et al. 1998 (Angle Orthodontist 68:29).
    """
    inside = np.clip(1 - (2 * across / ARCH_WIDTH_M) ** 2, 0, 1)
    return np.asarray(ARCH_DEPTH_M * (1 - inside**0.8))


def _between_lips(triangles: Ints) -> Bools:
    """Which triangles (F, 3) span the mouth."""
    return np.asarray(np.isin(triangles, MOUTH_CORNERS + UPPER_LIP + LOWER_LIP).all(1))


def _depth(flat: Array, vertices: Array) -> Array:
    """Depths (M,) behind the strip for points (M, 3) on it."""
    upper, lower = vertices[UPPER_LIP[4]], vertices[LOWER_LIP[4]]
    down = np.clip((flat - upper) @ (lower - upper) / ((lower - upper) ** 2).sum(), 0, 1)
    off = flat - (upper + down[:, None] * (lower - upper))
    teeth = np.clip(TEETH_M[0] + arch_depth(off[:, 0]) + off[:, 2], TEETH_M[0] / 3, TEETH_M[1])
    from_lips = _distance(flat, inner_lips(vertices))
    # tanh rises from the lips with _SLOPE and levels off at the teeth
    depth = teeth * np.tanh(_SLOPE * from_lips / teeth)
    # Smoothstep t²(3 − 2t) from teeth to cavity
    parted = np.clip((from_lips - _PARTED_M[0]) / (_PARTED_M[1] - _PARTED_M[0]), 0, 1)
    depth += (CAVITY_M - depth) * parted**2 * (3 - 2 * parted)
    return np.asarray(_opening(vertices) * depth)


def _distance(places: Array, loop: Array) -> Array:
    """Distances (M,) from points (M, 3) to a closed polyline with corners (K, 3)."""
    # Foot of the perpendicular on each side, held between the side's ends
    side, way = np.roll(loop, -1, 0) - loop, places[:, None] - loop
    along = np.clip((way * side).sum(2) / np.maximum((side**2).sum(1), 1e-15), 0, 1)
    return np.asarray(np.linalg.norm(way - along[..., None] * side, axis=2).min(1))


def _opening(vertices: Array) -> float:
    """0 where the lips (V, 3) are closed, 1 where they are open."""
    return float(np.clip(_gaps(vertices).max() / CLOSED_M - 1, 0, 1))


def _gaps(vertices: Array) -> Array:
    """Between the inner lips (9,), metres, from the person's right to the left."""
    return np.asarray(np.linalg.norm(vertices[list(UPPER_LIP)] - vertices[list(LOWER_LIP)], axis=1))
