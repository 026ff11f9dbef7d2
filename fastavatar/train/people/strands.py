"""Hair as curves: grown step by step from roots, around the body, then waved and gathered into locks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, sample_triangles, unit_vectors, vertex_normals
from fastavatar.head import load_head
from fastavatar.train.people import skin_faces


@dataclass(frozen=True)
class Strands:
    """Hair of one colour."""

    points: Array
    """(S, K, 3) control points of S cubic B-splines, from the root on, metres."""
    radius_m: float
    """Radius at the root; hair is drawn thicker than it is, since there are fewer strands than on a head."""
    absorption: Array
    """(3,) RGB, see `HAIR_COLORS`."""


@dataclass(frozen=True)
class Roots:
    """Places on the skin where hair grows."""

    places: Array
    """(S, 3) on the average head."""
    points: Array
    """(S, 3) on the person."""
    normals: Array
    """(S, 3) of the person's skin there."""

    def subset(self, index: Bools) -> "Roots":
        """The roots that `index` selects."""
        return Roots(self.places[index], self.points[index], self.normals[index])


class SkinSurface:
    """A person's outer skin, where hair grows and which it does not enter."""

    def __init__(self, vertices: Array) -> None:
        """Take the vertices (V, 3) of the parametric head on the person."""
        head = load_head()
        self._faces = head.faces[skin_faces(head)]
        self._mean, self._vertices = head.mean, vertices
        self._normals = vertex_normals(vertices, self._faces)
        centers = vertices[self._faces].mean(1)
        self._samples = np.concatenate([vertices[np.unique(self._faces)], centers])
        outward = [self._normals[np.unique(self._faces)], self._normals[self._faces].mean(1)]
        self._outward = unit_vectors(np.concatenate(outward))
        self._tree = cKDTree(self._samples)

    def roots(self, count: int, density: Callable[[Array], Array], random: np.random.Generator) -> Roots:
        """About `count` roots spread evenly where `density` of places (N, 3) is 1, fewer where it is less."""
        here = density(self._mean[self._faces].mean(1)) > 0
        grown = np.zeros(len(self._mean), bool)
        grown[self._faces[here]] = True
        near = self._faces[grown[self._faces].any(1)]
        corners = self._mean[near]
        area = (
            np.linalg.norm(
                np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
            ).sum()
            / 2
        )
        owner, weights = sample_triangles(self._mean, near, np.sqrt(area / max(count, 1)))
        jitter = random.dirichlet([1.0, 1.0, 1.0], len(owner))
        weights = 0.5 * weights + 0.5 * jitter

        def at(values: Array) -> Array:
            return np.asarray(np.einsum("nk,nkc->nc", weights, values[near[owner]]))

        places = at(self._mean)
        kept = random.random(len(places)) < density(places)
        return Roots(places, at(self._vertices), unit_vectors(at(self._normals))).subset(kept)

    def above(self, points: Array) -> tuple[Array, Array]:
        """Heights (N,) of points (N, 3) above the skin, negative inside, and outward normals (N, 3) there."""
        _, nearest = self._tree.query(points, eps=0.2)
        normals = self._outward[nearest]
        return np.einsum("nc,nc->n", points - self._samples[nearest], normals), normals


def grow(
    skin: SkinSurface,
    roots: Roots,
    first: Array,
    lengths: Array,
    layers: Array,
    steer: Callable[[Array, Array, float], Array],
    steps: int,
) -> Array:
    """Curves (S, steps + 1, 3) from roots in the directions `first` (S, 3), `lengths` (S,) in metres.

    At each step `steer(points, directions, share)` returns the new directions, where `share` 0…1 is how much
    of the length has grown. Hair that comes closer to the skin than `layers` (S,), which rises over the
    first 3 cm, is lifted and slides along it.
    """
    points, directions = roots.points.copy(), unit_vectors(first)
    curve = [points - 0.001 * roots.normals]
    step = lengths / steps
    for index in range(steps):
        share = (index + 1) / steps
        directions = unit_vectors(steer(points, directions, share))
        points = points + step[:, None] * directions
        height, normals = skin.above(points)
        short = np.minimum(1.0, share * lengths / 0.03) * layers - height
        inside = short > 0
        points = points + np.where(inside, short, 0)[:, None] * normals
        inward = np.minimum(np.einsum("nc,nc->n", directions, normals), 0)
        directions = unit_vectors(directions - np.where(inside, inward, 0)[:, None] * normals)
        curve.append(points)
    return np.stack(curve, 1)


def gathered(curves: Array, roots: Array, locks: int, strength: float, random: np.random.Generator) -> Array:
    """Curves (S, K, 3) drawn to the nearest of `locks` among them, increasingly towards their tips."""
    leaders = random.choice(len(curves), min(locks, len(curves)), replace=False)
    _, nearest = cKDTree(roots[leaders]).query(roots)
    share = strength * np.linspace(0, 1, curves.shape[1]) ** 1.3
    return np.asarray(curves + share[None, :, None] * (curves[leaders[nearest]] - curves))


def waved(curves: Array, radius_m: Array, wavelength_m: float, phases: Array, round_share: float) -> Array:
    """Curves (S, K, 3) wound into coils, or waves where `round_share` is 0; radius (S,), phases (S,)."""
    tangents = unit_vectors(np.gradient(curves, axis=1).reshape(-1, 3)).reshape(curves.shape)
    side = np.cross(tangents, [0.0, 0.3, 1.0])
    side /= np.linalg.norm(side, axis=2, keepdims=True) + 1e-9
    other = np.cross(tangents, side)
    lengths = np.linalg.norm(np.diff(curves, axis=1), axis=2)
    along = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(lengths, 1)], 1)
    angle = 2 * np.pi * along / wavelength_m + phases[:, None]
    rise = radius_m[:, None] * np.minimum(1, along / max(wavelength_m, 0.01))
    return np.asarray(
        curves
        + (rise * np.sin(angle))[..., None] * side
        + (round_share * rise * np.cos(angle))[..., None] * other
    )
