"""Points in space with their exact signed distance to a mesh, and colour and normal of the surface nearest.

mesh ─ boundary of its solid ─▶ triangles ─┬─ on them, and displaced a little ───────▶ near points ─┐
                                           └─ displaced far, and all over the sphere ▶ far points ──┴─▶ libigl
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Mesh
from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import Array, Bools, Ints, triangle_areas, unit_vectors
from fastavatar.models.surface import CENTER_M, RADIUS_M
from fastavatar.rendering import texture_colors

NEAR_M, FAR_M = 0.006, 0.06
"""Standard deviations of the displacements: as deep as lips and lids are, and as a head's radius is."""
COUNT = 500_000
"""Points of each set by default."""
_SIDE_M = 1e-4
"""Distance before and behind a triangle at which its two sides are asked: below any thickness of a head."""
_INSIDE = 0.5
"""Generalised winding number from which on a point is inside (Jacobson et al. 2013, section 3)."""
_NO_COLOR = 0.5


@dataclass(frozen=True)
class PointSet:
    """N points in random order, so that any run of them is a fair sample."""

    points: NDArray[np.float32]
    """(N, 3) metres, head frame. 16 bits would move a point by 0.1 mm, a tenth of a lip's detail."""
    distances: NDArray[np.float32]
    """(N,) metres, exact, negative inside; 0 for points that were drawn on the surface."""
    normals: NDArray[np.float16]
    """(N, 3) outward unit normal of the nearest triangle, to 0.03°."""
    colors: NDArray[np.uint8]
    """(N, 3) sRGB of the nearest point of the surface."""


@dataclass(frozen=True)
class SurfaceSamples:
    """What is known of one subject's surface."""

    near: PointSet
    """Half on the surface, half displaced from it by a Gaussian of `NEAR_M`."""
    far: PointSet
    """Half displaced by a Gaussian of `FAR_M`, half spread evenly over the unit sphere."""


def sample_surface(mesh: Mesh, seed: int = 0, count: int = COUNT) -> SurfaceSamples:
    """`count` near and as many far points of a mesh in the head frame, which may have holes.

    Triangles inside the solid, such as the backs of eyeballs, bound nothing and do not count. A mesh without
    colours gives grey. The same arguments give the same samples.

    Raises `InputError` for a mesh that encloses nothing, `UsageError` where libigl is not installed.
    """
    solid, rng, half = _Solid(mesh), np.random.default_rng(seed), count // 2

    def displaced(sigma_m: float, number: int) -> Array:
        return solid.on_surface(number, rng) + rng.normal(scale=sigma_m, size=(number, 3))

    near = np.concatenate([solid.on_surface(half, rng), displaced(NEAR_M, count - half)])
    far = np.concatenate([displaced(FAR_M, half), _in_sphere(count - half, rng)])
    return SurfaceSamples(solid.measured(near, half, rng), solid.measured(far, 0, rng))


def signed_distances(mesh: Mesh, points: Array) -> Array:
    """Exact distances (N,) of points (N, 3) from what the mesh encloses, metres, negative inside.

    Raises what `sample_surface` raises.
    """
    return _Solid(mesh).nearest(points)[0]


class _Solid:
    """What a mesh encloses, and the triangles that bound it."""

    def __init__(self, mesh: Mesh) -> None:
        self._igl = _igl()
        self._mesh = mesh
        self._vertices = np.ascontiguousarray(mesh.vertices.detach().cpu().double().numpy())
        self._faces = np.ascontiguousarray(mesh.faces.cpu().numpy(), np.int64)
        corners = self._vertices[self._faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = unit_vectors(cross)
        before, behind = (self.inside(corners.mean(1) + side * normals) for side in (_SIDE_M, -_SIDE_M))
        self._bounding = np.flatnonzero((before != behind) & (np.linalg.norm(cross, axis=1) > 0))
        if not len(self._bounding):
            raise InputError("the mesh encloses nothing: it is open, or its triangles are wound inward")
        self._outer, self._normals = self._faces[self._bounding].copy(), normals[self._bounding]

    def inside(self, points: Array) -> Bools:
        """Which points (N, 3) are inside, by the fast winding number of Barill et al. 2018."""
        number = self._igl.fast_winding_number(self._vertices, self._faces, np.ascontiguousarray(points))
        return np.asarray(number > _INSIDE)

    def on_surface(self, number: int, rng: np.random.Generator) -> Array:
        """Points (N, 3) all over the surface, as dense everywhere."""
        areas = triangle_areas(self._vertices, self._outer)
        triangle = rng.choice(len(areas), number, p=areas / areas.sum())
        a, b = rng.random((2, number))
        beyond = a + b > 1  # the other half of the parallelogram folds back
        a, b = np.where(beyond, 1 - a, a), np.where(beyond, 1 - b, b)
        weights = np.stack([1 - a - b, a, b], 1)
        return np.asarray(np.einsum("nk,nkc->nc", weights, self._vertices[self._outer[triangle]]))

    def nearest(self, points: Array) -> tuple[Array, Ints, Array]:
        """Signed distances (N,) of points (N, 3), the outer triangles (N,) and the points there (N, 3)."""
        square, triangle, foot = self._igl.point_mesh_squared_distance(points, self._vertices, self._outer)
        return np.sqrt(square) * np.where(self.inside(points), -1, 1), triangle, foot

    def measured(self, points: Array, on_surface: int, rng: np.random.Generator) -> PointSet:
        """The set of points (N, 3), of which the first `on_surface` lie on the surface, in random order."""
        exact = points.astype(np.float32).astype(np.float64)  # measured where the rounded points lie
        distances, triangle, foot = self.nearest(exact)
        distances[:on_surface] = 0
        colors = self._colors(triangle, foot)
        order = rng.permutation(len(points))
        return PointSet(
            exact[order].astype(np.float32),
            distances[order].astype(np.float32),
            self._normals[triangle][order].astype(np.float16),
            colors[order],
        )

    def _colors(self, triangle: Ints, foot: Array) -> NDArray[np.uint8]:
        """Colours (N, 3) of points (N, 3) in the outer triangles (N,): of the texture, else the vertices."""
        mesh = self._mesh
        textured = mesh.texture is not None and mesh.uv is not None
        if not textured and mesh.colors is None:
            return np.full((len(foot), 3), _NO_COLOR * 255, np.uint8)
        face = self._bounding[triangle]
        weights = torch.from_numpy(_barycentric(foot, self._vertices[self._faces[face]]))
        if mesh.texture is not None and mesh.uv is not None:
            corners = mesh.faces if mesh.uv_faces is None else mesh.uv_faces
            uv = torch.einsum("nk,nkc->nc", weights, mesh.uv.double()[corners[face]])
            colors = texture_colors(mesh.texture, uv)
        else:
            assert mesh.colors is not None
            colors = torch.einsum("nk,nkc->nc", weights, mesh.colors.double()[mesh.faces[face]])
        rounded: NDArray[np.uint8] = (colors.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
        return rounded


def _in_sphere(number: int, rng: np.random.Generator) -> Array:
    """Points (N, 3) spread evenly over the unit sphere, metres."""
    directions = unit_vectors(rng.normal(size=(number, 3)))
    radii = RADIUS_M * np.cbrt(rng.random(number))  # a shell's volume grows with the cube of its radius
    return np.asarray(CENTER_M + directions * radii[:, None])


def _barycentric(points: Array, corners: Array) -> Array:
    """Weights (N, 3) of points (N, 3) in the planes of their triangles (N, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    square = np.maximum((normal**2).sum(1), 1e-30)
    second = (np.cross(points - a, c - a) * normal).sum(1) / square
    third = (np.cross(b - a, points - a) * normal).sum(1) / square
    return np.asarray(np.clip(np.stack([1 - second - third, second, third], 1), 0, 1))


def _igl() -> Any:
    try:
        import igl
    except ImportError as error:
        raise UsageError(
            f"signed distances need {error.name}: pip install '.[train]' where the source is"
        ) from error
    return igl
