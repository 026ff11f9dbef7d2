"""Two eyeballs between the lids of a fitted head.

The template spans each eye by a fan of triangles from the lids' rim to the middle of the iris. Lids rest on
the eyeball, whose size hardly differs between adults, so the rim determines the position of the ball.
"""

import numpy as np

from fastavatar.geometry import Array
from fastavatar.models.facemesh import EYE_RINGS, OnMesh

RADIUS_M = 0.012
"""Radius of an adult's eyeball (Bekerman et al. 2014: 24.2 mm wide, 23.7 mm high)."""
LID_M = 0.001
"""Distance of a lid's landmarks from the ball."""
CLOSED_M = 0.003
"""Lids nearer to one another than this are closed."""
_BEHIND_RIM_M = 0.0082
"""Expected distance of the ball's centre behind the middle of the rim."""
_PRIOR = 0.3
"""Weight of that expectation, as a fraction of the weight of the lids."""
_STEPS = 10


def with_flat_eyes(vertices: Array) -> Array:
    """Vertices (V, 3) of a head whose open eyes are flat from rim to rim; head frame, metres."""
    flat = vertices.copy()
    for iris, rim in _open_eyes(vertices):
        flat[iris] = rim.mean(0)
    return flat


def seat_eyeballs(points: OnMesh, vertices: Array, means: Array, normals: Array) -> tuple[Array, Array]:
    """The points' means and normals (N, 3) with eyeballs between the lids; head frame, metres.

    `vertices` (V, 3) are the head's with flat eyes. Points move forward onto the ball; in the corners of the
    eye, where the flat eye lies in front of the ball, they stay.
    """
    means, normals = means.copy(), normals.copy()
    for iris, rim in _open_eyes(vertices):
        center = eyeball_center(rim)
        inside = np.flatnonzero((points.corners == iris).any(1))
        across = ((means[inside, :2] - center[:2]) ** 2).sum(1)
        # The sphere's front at distance ρ from its axis: z = c_z + √(R² − ρ²)
        front = center[2] + np.sqrt(np.maximum(RADIUS_M**2 - across, 0))
        covers = (across < RADIUS_M**2) & (front > means[inside, 2])
        seated = inside[covers]
        means[seated, 2] = front[covers]
        normals[seated] = (means[seated] - center) / RADIUS_M
    return means, normals


def eyeball_center(rim: Array) -> Array:
    """Centre (3,) of the ball behind the lids' rim (16, 3), ordered as in `EYE_RINGS`; head frame, metres.

    Found by Gauss–Newton on the distances of the lids, without the corners, from the ball, with a weak prior.
    """
    lids = _lids(rim)
    expected = rim.mean(0) - [0, 0, _BEHIND_RIM_M]
    center = expected
    # Residuals r_i = ‖lid_i − c‖ − (R + LID_M), whose gradient by c is −outward_i
    for _ in range(_STEPS):
        offset = lids - center
        distance = np.linalg.norm(offset, axis=1)
        outward = offset / distance[:, None]
        pull = outward.T @ (distance - RADIUS_M - LID_M) + _PRIOR * len(lids) * (expected - center)
        center = center + np.linalg.solve(outward.T @ outward + _PRIOR * len(lids) * np.eye(3), pull)
    return np.asarray(center)


def _open_eyes(vertices: Array) -> list[tuple[int, Array]]:
    """The middle vertex of each open eye and its rim (16, 3)."""
    rims = [(iris, vertices[list(ring)]) for iris, ring in EYE_RINGS.items()]
    return [(iris, rim) for iris, rim in rims if np.linalg.norm(rim[4] - rim[12]) > CLOSED_M]


def _lids(rim: Array) -> Array:
    """The lower and the upper lid (10, 3), without the three landmarks at either corner."""
    return np.concatenate([rim[2:7], rim[10:15]])
