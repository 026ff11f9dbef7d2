"""Triangle meshes in the head frame, and points that are bound to them."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fastavatar import geometry  # its functions load scipy when they are first used
from fastavatar.core import Shapes, Skeleton
from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints, require_shape


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the head frame.

    Raises `InputError` for shapes that do not match, and for a face with an index of no vertex.
    """

    vertices: Tensor
    """(V, 3) metres."""
    faces: Tensor
    """(F, 3) vertex indices, int64, counter-clockwise seen from outside."""
    regions: Tensor | None = None
    """(V,) int64, the part of the head that each vertex belongs to; None if unknown."""
    uv: Tensor | None = None
    """(V, 2) texture coordinates in 0…1, v upward, or (U, 2) with `uv_faces`; None if the mesh has none."""
    uv_faces: Tensor | None = None
    """(F, 3) int64, the index into `uv` of each triangle's corners, for a map with seams; None where each
    vertex has one coordinate."""
    parts: Tensor | None = None
    """(F,) int64, the piece that each triangle belongs to, such as an eyeball; None if unknown."""
    part_names: tuple[str, ...] = ()
    """The names of the pieces, which `parts` counts; empty if they have none."""
    colors: Tensor | None = None
    """(V, 3) sRGB in 0…1; None if the vertices have no colours."""
    texture: Tensor | None = None
    """(H, W, 3) sRGB, uint8, row 0 at v = 1; None without one."""
    shapes: Shapes | None = None
    """Named movements of the vertices; None if the mesh has none."""
    skeleton: Skeleton | None = None
    """Joints that the vertices follow; None if the mesh has none."""

    def __post_init__(self) -> None:
        """Check shapes and indices."""
        require_shape("vertices", self.vertices, None, 3)
        require_shape("faces", self.faces, None, 3)
        count = len(self.vertices)
        if self.regions is not None:
            require_shape("regions", self.regions, count)
        if self.parts is not None:
            require_shape("parts", self.parts, len(self.faces))
        if self.uv is not None:
            require_shape("uv", self.uv, count if self.uv_faces is None else None, 2)
        if self.uv_faces is not None:
            require_shape("uv_faces", self.uv_faces, len(self.faces), 3)
            _require_indices(
                "a corner names a texture coordinate", self.uv_faces, 0 if self.uv is None else len(self.uv)
            )
        _require_indices("a face names a vertex", self.faces, count)
        if self.colors is not None:
            require_shape("colors", self.colors, count, 3)
        if self.texture is not None:
            require_shape("texture", self.texture, None, None, 3)
        if self.shapes is not None:
            require_shape("offsets", self.shapes.offsets, None, count, 3)
        if self.skeleton is not None:
            require_shape("weights", self.skeleton.weights, count, None)

    def areas(self) -> Tensor:
        """(F,) areas of the triangles, square metres."""
        return torch.from_numpy(geometry.triangle_areas(*self._arrays())).to(self.vertices)

    def normals(self) -> Tensor:
        """(V, 3) outward unit normals of the vertices, area-weighted means of the triangles' normals."""
        return torch.from_numpy(geometry.vertex_normals(*self._arrays())).to(self.vertices)

    def edges(self) -> Tensor:
        """(E, 2) vertex indices of each edge, the smaller index first, in ascending order."""
        links = geometry.edge_graph(self._arrays()[1], len(self.vertices)).tocoo()
        pairs = torch.stack([torch.from_numpy(links.row), torch.from_numpy(links.col)], 1).long()
        return pairs[pairs[:, 0] < pairs[:, 1]]

    def boundary_loops(self) -> list[Tensor]:
        """The vertex indices (L,) around each hole, in order; empty for a closed mesh."""
        return [torch.from_numpy(loop) for loop in geometry.boundary_loops(self._arrays()[1])]

    def split_at_seams(self) -> "Mesh":
        """The mesh with a vertex for each texture coordinate, as GLB needs it; itself without `uv_faces`."""
        if self.uv is None or self.uv_faces is None:
            return self
        corners = torch.stack([self.faces.reshape(-1), self.uv_faces.reshape(-1)], 1)
        pairs, index = torch.unique(corners, dim=0, return_inverse=True)
        split = replace(self, uv=None, uv_faces=None)._with_vertices(pairs[:, 0], index.reshape(-1, 3))
        return replace(split, uv=self.uv[pairs[:, 1]])

    def subset(self, index: Tensor) -> "Mesh":
        """The triangles that `index`, (M,) of integers or (F,) of booleans, selects, and their vertices.

        Texture coordinates with seams keep their places in `uv`.
        """
        used, faces = torch.unique(self.faces[index], return_inverse=True)
        kept = replace(
            self,
            uv=None if self.uv_faces is None else self.uv,
            uv_faces=None if self.uv_faces is None else self.uv_faces[index],
            parts=None if self.parts is None else self.parts[index],
            faces=self.faces[index],
        )._with_vertices(used, faces.reshape(-1, 3))
        return kept if self.uv is None or self.uv_faces is not None else replace(kept, uv=self.uv[used])

    def _with_vertices(self, index: Tensor, faces: Tensor) -> "Mesh":
        """The mesh with the vertices `index` (W,) of this one, and faces (F, 3) that name those."""

        def picked(values: Tensor | None) -> Tensor | None:
            return None if values is None else values[index]

        return replace(
            self,
            vertices=self.vertices[index],
            faces=faces,
            regions=picked(self.regions),
            colors=picked(self.colors),
            shapes=None if self.shapes is None else self.shapes.subset(index),
            skeleton=None if self.skeleton is None else self.skeleton.subset(index),
        )

    def sample(self, count: int) -> "Binding":
        """About `count` points, spread evenly over the surface; the same at every call."""
        vertices, faces = self._arrays()
        spacing = math.sqrt(float(geometry.triangle_areas(vertices, faces).sum()) / count)
        owner, weights = geometry.sample_triangles(vertices, faces, spacing)
        return Binding(torch.from_numpy(faces[owner]), torch.from_numpy(weights).to(self.vertices))

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N,) of `points` (N, 3) from the surface, metres, and the surface points (N, 3) there."""
        require_shape("points", points, None, 3)
        distances, nearest = geometry.nearest_on_mesh(points.double().cpu().numpy(), *self._arrays())
        return torch.from_numpy(distances).to(points), torch.from_numpy(nearest).to(points)

    def _arrays(self) -> tuple[Array, Ints]:
        return self.vertices.detach().double().cpu().numpy(), self.faces.cpu().numpy()


@dataclass(frozen=True)
class Binding:
    """Points bound to a mesh, each to the three corners of a triangle, so that it can move with them.

    Raises `InputError` for shapes that do not match.
    """

    corners: Tensor
    """(N, 3) vertex indices, int64."""
    weights: Tensor
    """(N, 3) barycentric weights of the corners; each row sums to 1."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        require_shape("corners", self.corners, None, 3)
        require_shape("weights", self.weights, len(self.corners), 3)

    def __len__(self) -> int:
        """Number of points, N."""
        return len(self.corners)

    def at(self, values: Tensor) -> Tensor:
        """Values (N, C) of the points, interpolated from values (V, C) at the mesh's vertices."""
        return torch.einsum("nk,nkc->nc", self.weights.to(values), values[self.corners])

    def subset(self, index: Tensor) -> "Binding":
        """The points that `index`, (M,) of integers or (N,) of booleans, selects."""
        return Binding(self.corners[index], self.weights[index])


def _require_indices(what: str, index: Tensor, count: int) -> None:
    """Raise `InputError`, which says `what` fails, unless every index is one of `count`."""
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < count:
        raise InputError(f"{what} that is not among the {count}")
