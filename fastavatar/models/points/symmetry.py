"""The mirror image of each point of a head, found by the surface's own symmetry."""

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Ints
from fastavatar.surfaces import Surface

_ROUNDS = 10  # of iterated closest points; the plane settles after about six
_FIRST_TURNS_DEG = (-20, -15, -10, -5, 0, 5, 10, 15, 20)
_TRUSTED = 0.7  # share of the pairs, nearest first, that determines the plane: hair and collars differ
_NORMAL_WEIGHT_M = 0.01  # a difference of 60° between normals counts as much as this distance
_FARTHEST_M = 0.02  # beyond this a point has no mirror image


def mirror_of(surface: Surface) -> Ints:
    """(N,) index of the point nearest to each point's mirror image; its own where none is within 2 cm.

    The plane of symmetry starts near x = 0 of the head frame and is fitted by iterated closest points.
    Distances combine positions and normals, so that front and back of an ear are not matched.
    """
    tree = cKDTree(_place_and_normal(surface.points, surface.normals))
    middle = surface.points.mean(0)

    def images(origin: Array, across: Array) -> tuple[Array, Ints]:
        distance, pair = tree.query(_place_and_normal(*_reflected(surface, origin, across)))
        return np.asarray(distance), np.asarray(pair, np.int64)

    def misfit(across: Array) -> float:
        return float(np.quantile(images(middle, across)[0], _TRUSTED))

    turns = np.radians(_FIRST_TURNS_DEG)
    origin, across = middle, min((np.array([np.cos(t), 0.0, -np.sin(t)]) for t in turns), key=misfit)
    for _ in range(_ROUNDS):
        distance, pair = images(origin, across)
        trusted = distance <= np.quantile(distance, _TRUSTED)
        origin, across = _plane_between(surface.points[trusted], surface.points[pair[trusted]], across)
    distance, pair = images(origin, across)
    return np.where(distance < _FARTHEST_M, pair, np.arange(len(pair)))


def _place_and_normal(points: Array, normals: Array) -> Array:
    return np.concatenate([points, _NORMAL_WEIGHT_M * normals], 1)


def _reflected(surface: Surface, origin: Array, across: Array) -> tuple[Array, Array]:
    """Points and normals (N, 3) mirrored in the plane through `origin` (3,) across (3,)."""
    points = surface.points - 2 * ((surface.points - origin) @ across)[:, None] * across
    return points, surface.normals - 2 * (surface.normals @ across)[:, None] * across


def _plane_between(points: Array, images: Array, across: Array) -> tuple[Array, Array]:
    """Origin and unit normal (3,) of the plane that best mirrors `points` (M, 3) onto `images` (M, 3).

    The least-squares reflection I − 2aaᵀ has as `a` the eigenvector of the smallest eigenvalue of the
    symmetrised cross-covariance.
    """
    centre, image_centre = points.mean(0), images.mean(0)
    covariance = (points - centre).T @ (images - image_centre)
    normal = np.linalg.eigh(covariance + covariance.T)[1][:, 0]
    return (centre + image_centre) / 2, normal * np.sign(normal @ across)
