"""Meshes from and to trimesh, which reads and writes the formats that hold no seams."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.formats.meshes import colors_of_vertices
from fastavatar.system import opened

if TYPE_CHECKING:
    from trimesh import Trimesh


def to_trimesh(mesh: Mesh) -> "Trimesh":
    """The vertices, faces and colours of `mesh`, in order; nothing is merged."""
    import trimesh

    colors = colors_of_vertices(mesh)
    return trimesh.Trimesh(
        mesh.vertices.detach().cpu().numpy(),
        mesh.faces.cpu().numpy(),
        vertex_colors=None if colors is None else (colors.clamp(0, 1) * 255).round().byte().cpu().numpy(),
        process=False,
    )


def loaded_by_trimesh(path: Path, kind: str) -> Mesh:
    """The vertices, triangles and vertex colours of a file of the format `kind` that trimesh reads.

    Faces of more corners are cut into triangles. Raises `InputError` when the file is missing or damaged.
    """
    import trimesh

    with opened(path) as file, damaged_in_one_line(path, kind):
        read = trimesh.load_mesh(file, file_type=kind, process=False, maintain_order=True)
        faces = torch.from_numpy(np.array(read.faces, np.int64).reshape(-1, 3))
        vertices = torch.from_numpy(np.array(read.vertices, np.float32).reshape(-1, 3))
        colored = read.visual.kind == "vertex" and len(read.visual.vertex_colors) == len(vertices)
        colors = np.array(read.visual.vertex_colors[:, :3], np.float32) / 255 if colored else None
        return Mesh(vertices, faces, colors=None if colors is None else torch.from_numpy(colors))


@contextmanager
def damaged_in_one_line(path: Path, kind: str) -> Iterator[None]:
    """Turn what a parser raises for a damaged file into an `InputError` of one line."""
    try:
        yield
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, struct.error) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"cannot read {path}: it is no {kind.upper()} file, or a damaged one ({reason})"
        ) from error
