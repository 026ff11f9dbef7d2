"""Closes the open parts of a mesh: holes get caps, sheets such as eyelashes a back side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Mesh, Shapes, Skeleton
from fastavatar.geometry import Array, Ints, boundary_loops

Circle = tuple[float, float, float]
"""Centre u, v and radius in the texture."""


def closed(mesh: Mesh, holes: Sequence[Circle], sheets: Mapping[int, float]) -> Mesh:
    """The mesh with part 0 and some sheets closed; new vertices and triangles follow those of `mesh`.

    Each hole of part 0 gets a fan of triangles, whose texture is one of the circles `holes`. Each part in
    `sheets` becomes a solid of that thickness in metres, whose back has the texture of its front. Which
    vertices and triangles there are depends only on the triangles of `mesh`.
    """
    assert mesh.uv is not None and mesh.uv_faces is not None and mesh.parts is not None
    faces, uv_faces, parts = (values.numpy() for values in (mesh.faces, mesh.uv_faces, mesh.parts))
    made = _Made(len(mesh.vertices), len(mesh.uv))
    for loop, circle in zip(boundary_loops(faces[parts == 0]), holes, strict=True):
        made.cap(loop, circle)
    faces = faces.copy()
    for part, thickness_m in sheets.items():
        faces[parts == part] = made.detached(faces[parts == part], faces[parts != part])
        made.back(part, faces[parts == part], uv_faces[parts == part], thickness_m)
    sources, count = made.sources, len(made.sources)
    rows = torch.from_numpy(np.repeat(np.arange(count), [len(one) for one in sources]))
    columns = torch.from_numpy(np.concatenate(sources))
    shares = torch.from_numpy(np.concatenate([np.full(len(one), 1 / len(one)) for one in sources])).float()

    def more(values: Tensor) -> Tensor:
        """Values (V, ...) at the vertices, then the means that the new vertices have."""
        weighted = values[columns].float() * shares.reshape(-1, *[1] * (values.ndim - 1))
        added = torch.zeros((count, *values.shape[1:])).index_add(0, rows, weighted)
        return torch.cat([values, added.to(values.dtype)])

    behind = more(mesh.normals())[-count:] * torch.tensor(made.depths)[:, None].float()
    vertices = more(mesh.vertices)
    vertices[-count:] -= behind
    shapes, skeleton = mesh.shapes, mesh.skeleton
    first = torch.tensor([int(one[0]) for one in sources])
    return replace(
        mesh,
        vertices=vertices,
        faces=torch.cat([torch.from_numpy(faces), torch.from_numpy(np.concatenate(made.faces))]),
        uv=torch.cat([mesh.uv, torch.from_numpy(np.concatenate(made.uv)).to(mesh.uv)]),
        uv_faces=torch.cat([mesh.uv_faces, torch.from_numpy(np.concatenate(made.uv_faces))]),
        parts=torch.cat([mesh.parts, torch.tensor(made.parts)]),
        regions=None if mesh.regions is None else torch.cat([mesh.regions, mesh.regions[first]]),
        colors=None if mesh.colors is None else more(mesh.colors),
        shapes=shapes and Shapes(shapes.names, more(shapes.offsets.transpose(0, 1)).transpose(0, 1)),
        skeleton=skeleton
        and Skeleton(skeleton.names, skeleton.parents, skeleton.places, more(skeleton.weights)),
    )


class _Made:
    """New vertices, texture coordinates and triangles, which are numbered after those of the mesh."""

    def __init__(self, vertices: int, places: int) -> None:
        self._first, self._first_uv = vertices, places
        self.sources: list[Ints] = []
        """The vertices of the mesh whose mean each new vertex is."""
        self.depths: list[float] = []
        """How far each new vertex lies behind that mean, metres."""
        self.uv: list[Array] = []
        self.faces: list[Ints] = []
        self.uv_faces: list[Ints] = []
        self.parts: list[int] = []

    def cap(self, loop: Ints, circle: Circle) -> None:
        """A fan over the hole inside `loop` (L,), which runs with the triangles around it."""
        size, u, v, radius = len(loop), *circle
        angle = -2 * np.pi * np.arange(size) / size  # the fan runs against the loop
        rim = np.stack([u + radius * np.cos(angle), v + radius * np.sin(angle)], 1)
        place = self._first_uv + sum(map(len, self.uv)) + np.arange(size)
        self.uv.append(np.concatenate([rim, [[u, v]]]))
        centre = np.full(size, self._first + len(self.sources))
        self._add([loop], [0.0])
        self._triangles(
            0,
            np.stack([np.roll(loop, -1), loop, centre], 1),
            np.stack([np.roll(place, -1), place, np.full(size, place[-1] + 1)], 1),
        )

    def detached(self, faces: Ints, others: Ints) -> Ints:
        """A part's triangles (F, 3) with copies of the vertices that it shares with `others` (G, 3)."""
        shared = np.intersect1d(faces, others)
        copy_of = np.arange(max(int(faces.max()) + 1, self._first))
        copy_of[shared] = self._first + len(self.sources) + np.arange(len(shared))
        self._add(list(shared[:, None]), [0.0] * len(shared))
        return copy_of[faces]

    def back(self, part: int, faces: Ints, uv_faces: Ints, thickness_m: float) -> None:
        """The back of a sheet, and the rim between its front and back."""
        copied = np.unique(faces)
        start = self._first + len(self.sources)
        sources = [
            self.sources[one - self._first] if one >= self._first else np.array([one]) for one in copied
        ]
        self._add(sources, [thickness_m] * len(copied))
        copy_of, place_of = np.zeros(faces.max() + 1, np.int64), np.zeros(faces.max() + 1, np.int64)
        copy_of[copied] = start + np.arange(len(copied))
        place_of[faces.ravel()] = uv_faces.ravel()
        self._triangles(part, copy_of[faces][:, ::-1], uv_faces[:, ::-1])
        for here in boundary_loops(faces):
            after = np.roll(here, -1)
            places = np.stack([place_of[after], place_of[here], place_of[here]], 1)
            self._triangles(part, np.stack([after, here, copy_of[here]], 1), places)
            places = np.stack([place_of[after], place_of[here], place_of[after]], 1)
            self._triangles(part, np.stack([after, copy_of[here], copy_of[after]], 1), places)

    def _add(self, sources: list[Ints], depths: list[float]) -> None:
        self.sources += sources
        self.depths += depths

    def _triangles(self, part: int, faces: Ints, uv_faces: Ints) -> None:
        self.faces.append(np.ascontiguousarray(faces))
        self.uv_faces.append(np.ascontiguousarray(uv_faces))
        self.parts += [part] * len(faces)
