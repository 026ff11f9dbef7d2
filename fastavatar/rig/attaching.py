"""What each Gaussian of a head hangs on: a place of the parametric head's surface, and its joints."""

import numpy as np
import torch
from scipy.spatial import cKDTree

from fastavatar.core import Binding, Gaussians
from fastavatar.geometry import Array, Bools, Ints, sample_triangles
from fastavatar.head import ParametricHead
from fastavatar.rig import Attachment, FittedHead, float32, nearest_places

CLOSE_M, FAR_M = 0.006, 0.025
"""What is nearer to the surface than the first follows expressions wholly, beyond the second not at all, such
as hair over a brow. The fit is 2 mm off; beards are about 1 cm deep."""
AROUND_M, AROUND = 0.012, 64
"""Distance between the places that loose splats average the joints of, and their number: a hand's width."""
AROUND_SHARPNESS = 4.0
"""Places farther than the nearest by half of its distance count 1/e; chosen by eye."""
OPENINGS = {
    "right_eye": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    "left_eye": (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
    "mouth": (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
}
"""Landmarks around each eye and within the lips, in order."""


def attached(
    gaussians: Gaussians, head: ParametricHead, fitted: FittedHead, binding: Binding | None
) -> Attachment:
    """What each Gaussian hangs on: its own binding where that names the parametric head, else the nearest."""
    means = gaussians.means.double().numpy()
    corners, weights, distances = (
        np.zeros((len(means), 3), np.int64),
        np.zeros((len(means), 3)),
        np.zeros(len(means)),
    )
    for piece, inside in _pieces(means, fitted):
        near = nearest_places(means[inside], fitted.vertices, head.faces[_faces_of(head, piece)])
        corners[inside], weights[inside], distances[inside] = near.corners, near.weights, near.distances
    follow = _falloff(distances / fitted.scale)
    if binding is not None:
        known = (binding.corners < len(head.mean)).all(1).numpy()
        corners[known] = binding.corners.numpy()[known]
        weights[known] = binding.weights.double().numpy()[known]
        follow[known] = 1
    places = np.einsum("nk,nkc->nc", weights, fitted.vertices[corners])
    loose = np.flatnonzero(follow < 1)
    joints = joints_at(head, corners, weights)
    around = _joints_around(means[loose], distances[loose], head, fitted)
    joints[loose] += (1 - follow[loose, None]) * (around - joints[loose])
    # What hangs far from the surface does not turn with it either
    from_surface = (means - places) * (follow == 1)[:, None]
    return Attachment(
        torch.from_numpy(corners), float32(weights * follow[:, None]), float32(from_surface), float32(joints)
    )


def _pieces(means: Array, fitted: FittedHead) -> list[tuple[str, Bools]]:
    """The Gaussians (N,) in each opening of the face that a view from the front showed, and all others."""
    if fitted.landmarks is None:
        return [("skin", np.ones(len(means), bool))]
    openings = [
        (piece, fitted.view.within(means, fitted.landmarks[list(outline)]))
        for piece, outline in OPENINGS.items()
    ]
    return [*openings, ("skin", ~np.any([inside for _, inside in openings], axis=0))]


def _faces_of(head: ParametricHead, piece: str) -> Bools:
    """Triangles (F,) of an eye, of what the lips part to show, or of the skin outside."""
    if piece == "mouth":
        return head.part("upper_teeth", "lower_teeth", "gums", "tongue")
    if piece != "skin":
        return head.part(piece)
    hidden = head.region("mouth", "sockets")[head.faces].all(1)
    return np.asarray(head.part("skin") & ~hidden)


def _falloff(distances_m: Array) -> Array:
    """How closely (N,) what lies off the surface follows: 1 near it, 0 far away, smoothly between."""
    away = np.clip((distances_m - CLOSE_M) / (FAR_M - CLOSE_M), 0, 1)
    return np.asarray(1 - away**2 * (3 - 2 * away))


def _joint_weights(head: ParametricHead) -> Array:
    """(V, 4) how much each vertex follows neck, head, left and right eye; the jaw turns with the head."""
    neck, skull, jaw, left, right = head.weights.T
    return np.stack([neck, skull + jaw + left + right, left, right], 1)


def joints_at(head: ParametricHead, corners: Ints, weights: Array) -> Array:
    """(N, 4) how much places on the surface, `corners` and `weights` (N, 3), follow the joints."""
    share = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    return np.asarray(np.einsum("nk,nkj->nj", share, _joint_weights(head)[corners]))


def _joints_around(points: Array, distances: Array, head: ParametricHead, fitted: FittedHead) -> Array:
    """(N, 4) how much points (N, 3) that lie `distances` (N,) off the surface follow the joints.

    They follow them as all that is around: the nearest place alone would tear hair between head and
    shoulders, where it jumps from one to the other.
    """
    faces = head.faces[_faces_of(head, "skin")]
    owner, weights = sample_triangles(fitted.vertices, faces, AROUND_M * fitted.scale)
    places = np.einsum("nk,nkc->nc", weights, fitted.vertices[faces[owner]])
    apart, near = (np.asarray(found) for found in cKDTree(places).query(points, k=AROUND))
    # A Gaussian of the distance beyond the nearest, as wide as the point is far away
    width = np.maximum(distances, CLOSE_M * fitted.scale)[:, None]
    share = np.exp(-(((apart - apart[:, :1]) / width) ** 2) * AROUND_SHARPNESS)
    at_places = joints_at(head, faces[owner], weights)
    return np.asarray(np.einsum("nk,nkj->nj", share / share.sum(1, keepdims=True), at_places[near]))
