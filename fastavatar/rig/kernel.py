"""Poses without gradients: what `Followers.moved` and `jointed` compute, in one pass over the Gaussians."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.rendering import (
    CHUNK,
    Doubles,
    Floats,
    Longs,
    Vector,
    cross,
    dot,
    fetch_add,
    inlined,
    kernel,
    rotation,
    run_on_threads,
    thread_count,
    times,
    unit_quaternion,
)
from fastavatar.rig import HEAD, LEFT_EYE, LONGEST, NECK, RIGHT_EYE, SHORTEST, Attachment, turned_colors

JointMotions = tuple[Tensor, Tensor, Tensor]
"""Quaternions (4, 4), rotations (4, 3, 3) and shifts (4, 3) of neck, head, left and right eye."""
Quaternion = tuple[float, float, float, float]
_LEAST, _MOST = SHORTEST**2 - 1, LONGEST**2 - 1


class Held(NamedTuple):
    """N Gaussians at rest and what they hang on; see `Attachment`."""

    means: Floats
    quats_wxyz: Floats
    log_scales: Floats
    corners: Longs
    weights: Floats
    from_surface: Floats
    joints: Floats
    moves: NDArray[np.bool_]
    """(N,) whether expressions move it."""


class Joints(NamedTuple):
    """What `joint_motions` returns."""

    quats: Doubles
    """(4, 4)"""
    rotations: Doubles
    """(4, 3, 3)"""
    shifts: Doubles
    """(4, 3)"""


class Posed(NamedTuple):
    """N Gaussians in a pose."""

    means: Floats
    quats_wxyz: Floats
    log_scales: Floats
    turns_wxyz: Floats
    """(N, 4) by which each was turned."""


def held(rest: Gaussians, attachment: Attachment, moving: Tensor) -> Held:
    """Gaussians (N) at rest as the kernel reads them; expressions move those at `moving` (M,)."""
    moves = np.zeros(len(rest), np.bool_)
    moves[moving.numpy()] = True
    parts = (rest.means, rest.quats_wxyz, rest.log_scales)
    means, quats, log_scales = (part.contiguous().numpy() for part in parts)
    ties = (attachment.corners, attachment.weights, attachment.from_surface, attachment.joints)
    corners, weights, from_surface, joints = (tie.contiguous().numpy() for tie in ties)
    return Held(means, quats, log_scales, corners, weights, from_surface, joints, moves)


def follow(rest: Gaussians, hold: Held, surface: Tensor, joints: JointMotions | None) -> Gaussians:
    """The Gaussians (N) in a pose.

    `surface` is (V, 13) of `MovedSurface.stacked`, `joints` what `joint_motions` returns; None where no joint
    turns.
    """
    count = len(hold.means)
    posed = Posed(*(np.empty((count, size), np.float32) for size in (3, 4, 3, 4)))
    empty = np.zeros((4, 4)), np.zeros((4, 3, 3)), np.zeros((4, 3))
    motions = Joints(*(empty if joints is None else (part.double().numpy() for part in joints)))
    table, counter = surface.contiguous().numpy(), np.zeros(1, np.int64)
    run_on_threads(lambda: _follow(counter, hold, table, motions, joints is not None, posed), thread_count())
    means, quats, log_scales, turns = (torch.from_numpy(part) for part in posed)
    sh = turned_colors(rest.sh, torch.arange(count), turns)
    return Gaussians(means, quats, log_scales, rest.opacity_logits, sh)


@kernel
def _follow(counter: Longs, rest: Held, table: Floats, joints: Joints, turned: bool, out: Posed) -> None:
    """Fill `out`, in chunks taken from `counter` (1,)."""
    count = len(rest.means)
    at = np.zeros(13)
    while True:
        chunk = fetch_add(counter)
        if chunk * CHUNK >= count:
            break
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            mean = _vector(rest.means, i)
            turn: Quaternion = (1.0, 0.0, 0.0, 0.0)
            for k in range(3):
                out.log_scales[i, k] = rest.log_scales[i, k]
            if rest.moves[i]:
                _interpolate(rest, table, i, at)
                mean, turn = _on_surface(rest, at, i, mean)
                _stretch(rest, at, i, out.log_scales)
            if turned:
                mean, turn = _on_joints(rest.joints[i], joints, mean, turn)
            quat = _product(turn, _row(rest.quats_wxyz, i))
            for k in range(3):
                out.means[i, k] = mean[k]
            for k in range(4):
                out.quats_wxyz[i, k] = quat[k]
                out.turns_wxyz[i, k] = turn[k]


@inlined
def _interpolate(rest: Held, table: Floats, i: int, at: Doubles) -> None:
    """The movement (13,) of the surface at Gaussian `i`."""
    at[:] = 0
    for corner in range(3):
        weight, vertex = rest.weights[i, corner], rest.corners[i, corner]
        for k in range(13):
            at[k] += weight * table[vertex, k]


@inlined
def _on_surface(rest: Held, at: Doubles, i: int, mean: Vector) -> tuple[Vector, Quaternion]:
    """Where the surface takes a Gaussian, and its turn."""
    share = rest.weights[i, 0] + rest.weights[i, 1] + rest.weights[i, 2]
    turn = unit_quaternion(at[3] + 1 - share, at[4], at[5], at[6])[:4]
    away = _vector(rest.from_surface, i)
    # v + 2 w (r × v) + 2 r × (r × v), less v
    r = (turn[1], turn[2], turn[3])
    across = cross(r, away)
    twice = cross(r, across)
    w = turn[0]
    return (
        mean[0] + at[0] + 2 * (w * across[0] + twice[0]),
        mean[1] + at[1] + 2 * (w * across[1] + twice[1]),
        mean[2] + at[2] + 2 * (w * across[2] + twice[2]),
    ), turn


@inlined
def _stretch(rest: Held, at: Doubles, i: int, log_scales: Floats) -> None:
    """Lengthen each axis a of a Gaussian by |F a|² = 1 + aᵀ (FᵀF − 1) a."""
    w, x, y, z = _row(rest.quats_wxyz, i)
    w, x, y, z = unit_quaternion(w, x, y, z)[:4]
    axes = rotation(w, x, y, z)
    C = ((at[7], at[10], at[11]), (at[10], at[8], at[12]), (at[11], at[12], at[9]))
    for k in range(3):
        a = (axes[0][k], axes[1][k], axes[2][k])
        longer = dot(a, times(C, a))
        log_scales[i, k] += math.log(np.float32(1 + min(max(longer, _LEAST), _MOST))) / 2


@inlined
def _on_joints(share: Floats, joints: Joints, mean: Vector, turn: Quaternion) -> tuple[Vector, Quaternion]:
    """Where eyes, then neck and head take a Gaussian that follows them by `share` (4,)."""
    for eye in (LEFT_EYE, RIGHT_EYE):
        if share[eye] > 0:
            moved = _moved(joints, eye, mean)
            mean = (
                mean[0] + share[eye] * (moved[0] - mean[0]),
                mean[1] + share[eye] * (moved[1] - mean[1]),
                mean[2] + share[eye] * (moved[2] - mean[2]),
            )
            q = joints.quats[eye]
            s = share[eye]
            rolled = unit_quaternion(1 + s * (q[0] - 1), s * q[1], s * q[2], s * q[3])[:4]
            turn = _product(rolled, turn)
    n, h = np.float64(share[NECK]), np.float64(share[HEAD])
    if n == 0 and h == 0:
        return mean, turn
    by_neck, by_head = _moved(joints, NECK, mean), _moved(joints, HEAD, mean)
    p, q = joints.quats[NECK], joints.quats[HEAD]
    carried = unit_quaternion(
        1 + n * (p[0] - 1) + h * (q[0] - 1),
        n * p[1] + h * q[1],
        n * p[2] + h * q[2],
        n * p[3] + h * q[3],
    )[:4]
    mean = (
        mean[0] + n * (by_neck[0] - mean[0]) + h * (by_head[0] - mean[0]),
        mean[1] + n * (by_neck[1] - mean[1]) + h * (by_head[1] - mean[1]),
        mean[2] + n * (by_neck[2] - mean[2]) + h * (by_head[2] - mean[2]),
    )
    return mean, _product(carried, turn)


@inlined
def _moved(joints: Joints, joint: int, point: Vector) -> Vector:
    """A point as a joint turns it."""
    R, t = joints.rotations[joint], joints.shifts[joint]
    return (
        R[0, 0] * point[0] + R[0, 1] * point[1] + R[0, 2] * point[2] + t[0],
        R[1, 0] * point[0] + R[1, 1] * point[1] + R[1, 2] * point[2] + t[1],
        R[2, 0] * point[0] + R[2, 1] * point[1] + R[2, 2] * point[2] + t[2],
    )


@inlined
def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton's product: first `b`, then `a`."""
    return (
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    )


@inlined
def _row(values: Floats, i: int) -> Quaternion:
    """Row `i` of values (N, 4)."""
    return (
        np.float64(values[i, 0]),
        np.float64(values[i, 1]),
        np.float64(values[i, 2]),
        np.float64(values[i, 3]),
    )


@inlined
def _vector(values: Floats, i: int) -> Vector:
    """Row `i` of values (N, 3)."""
    return np.float64(values[i, 0]), np.float64(values[i, 1]), np.float64(values[i, 2])
