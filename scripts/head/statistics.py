"""Aligns people's faces and finds the modes in which they differ (principal component analysis)."""

import numpy as np

from fastavatar.geometry import Array, Bools, Ints, fit_similarity
from scripts.head.raw import Floats

ROUNDS = 3  # of aligning with the mean of those aligned; a fourth changes the mean by under 0.01 mm


def mirrored(points: Array, mirror: Ints) -> Array:
    """Points or movements (..., P, 3) with left and right exchanged."""
    return np.asarray(points[..., mirror, :] * [-1, 1, 1])


def aligned(people: Array, face: Bools, mirror: Ints) -> Array:
    """Points (N, P, 3) of people, each moved, turned and sized so that its face matches the mean's.

    `face` (P,) says which points are the face's. The mean is kept symmetric, so that no person's midplane
    becomes all people's.
    """
    moved = people
    for _ in range(ROUNDS):
        mean = moved.mean(0)
        mean = (mean + mirrored(mean, mirror)) / 2
        moved = np.stack([fit_similarity(person[face], mean[face]).apply(person) for person in people])
    return moved


def modes_of(people: Array, mirror: Ints, weights: Array, count: int) -> tuple[Array, Floats]:
    """The mean (P, 3) and the widest `count` modes (count, P, 3), each one standard deviation long.

    Every person also counts as that person's mirror image, so the mean is symmetric and every mode is either
    symmetric or exactly antisymmetric. `weights` (P,) is how much a point counts.
    """
    mean = people.mean(0)
    mean = (mean + mirrored(mean, mirror)) / 2
    offsets = (people - mean).astype(np.float32)
    reflected = mirrored(offsets, mirror).astype(np.float32)
    found: list[tuple[float, Floats]] = []
    for half in ((offsets + reflected) / 2, (offsets - reflected) / 2):
        # Eigenvectors of the Gram matrix of N people instead of the covariance of 3P coordinates
        weighted = (half * np.sqrt(weights)[:, None].astype(np.float32)).reshape(len(half), -1)
        variances, vectors = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
        for k in range(-1, -count - 1, -1):
            mode = np.tensordot(vectors[:, k].astype(np.float32), half, 1) / np.sqrt(len(half))
            found.append((float(variances[k]), mode.astype(np.float32)))
    found.sort(key=lambda pair: -pair[0])
    return mean, np.stack([mode for _, mode in found[:count]])
