"""Triangle meshes in the head frame, and how points are bound to them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints, edge_graph, require_shape, triangles


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the head frame.

    Raises `InputError` where shapes do not fit or a face names a vertex that is not there.
    """

    vertices: Tensor
    """(V, 3) metres."""
    faces: Tensor
    """(F, 3) vertex indices, int64, counter-clockwise seen from outside."""
    regions: Tensor | None = None
    """(V,) int64, which part of the head each vertex belongs to; None where that is not known."""
    uv: Tensor | None = None
    """(V, 2) texture coordinates in 0…1, v upward; None where the mesh has none."""

    def __post_init__(self) -> None:
        """Check that the tensors belong together."""
        require_shape("vertices", self.vertices, None, 3)
        require_shape("faces", self.faces, None, 3)
        count = len(self.vertices)
        if self.regions is not None:
            require_shape("regions", self.regions, count)
        if self.uv is not None:
            require_shape("uv", self.uv, count, 2)
        if len(self.faces) and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < count:
            raise InputError(f"a face names a vertex that is not among the {count}")

    def areas(self) -> Tensor:
        """(F,) areas of the triangles, square metres."""
        return torch.from_numpy(triangles.triangle_areas(*self._arrays())).to(self.vertices)

    def normals(self) -> Tensor:
        """(V, 3) unit normals of the vertices, outward, weighted by area."""
        return torch.from_numpy(triangles.vertex_normals(*self._arrays())).to(self.vertices)

    def edges(self) -> Tensor:
        """(E, 2) vertex indices of every edge, once each, the smaller first, in ascending order."""
        links = edge_graph(self._arrays()[1], len(self.vertices)).tocoo()
        pairs = torch.stack([torch.from_numpy(links.row), torch.from_numpy(links.col)], 1).long()
        return pairs[pairs[:, 0] < pairs[:, 1]]

    def boundary_loops(self) -> list[Tensor]:
        """Vertex indices (L,) around each hole; a closed mesh has none."""
        return [torch.from_numpy(loop) for loop in triangles.boundary_loops(self._arrays()[1])]

    def sample(self, count: int) -> "Binding":
        """About `count` points spread evenly over the surface by area; the same at every call."""
        vertices, faces = self._arrays()
        spacing = math.sqrt(float(triangles.triangle_areas(vertices, faces).sum()) / count)
        owner, weights = triangles.sample_triangles(vertices, faces, spacing)
        return Binding(torch.from_numpy(faces[owner]), torch.from_numpy(weights).to(self.vertices))

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (N,) of `points` (N, 3) from the surface, metres, and the surface points (N, 3) there."""
        require_shape("points", points, None, 3)
        distances, nearest = triangles.nearest_on_mesh(points.double().cpu().numpy(), *self._arrays())
        return torch.from_numpy(distances).to(points), torch.from_numpy(nearest).to(points)

    def _arrays(self) -> tuple[Array, Ints]:
        return self.vertices.detach().double().cpu().numpy(), self.faces.cpu().numpy()


@dataclass(frozen=True)
class Binding:
    """Points held by a mesh: each by the three corners of a triangle, so that it can move with them.

    Raises `InputError` where shapes do not fit.
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
        """(N, C) values of the points, from values (V, C) at the mesh's vertices."""
        return torch.einsum("nk,nkc->nc", self.weights.to(values), values[self.corners])

    def subset(self, index: Tensor) -> "Binding":
        """The points that `index`, (M,) of integers or (N,) of booleans, selects."""
        return Binding(self.corners[index], self.weights[index])
