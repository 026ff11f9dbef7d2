"""What a capture folder knows of the head itself: points, mesh, FLAME parameters."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Mesh
from fastavatar.errors import InputError


def read_points(path: Path) -> Tensor | None:
    """Vertices (P, 3) of a PLY in metres, None where there is no file; raises `InputError` naming it."""
    if not path.is_file():
        return None
    from plyfile import PlyData, PlyParseError

    try:
        vertex = PlyData.read(str(path))["vertex"]
        points = np.stack([np.asarray(vertex[axis], np.float32) for axis in "xyz"], 1)
    except (PlyParseError, OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot read points from {path}: {error}") from error
    if len(points) == 0 or not np.isfinite(points).all():
        raise InputError(f"{path}: the points are empty or not finite")
    return torch.from_numpy(points)


def read_mesh(path: Path) -> Mesh | None:
    """The mesh in an npz of `vertices` and `faces`, None where there is no file; raises `InputError`."""
    if not path.is_file():
        return None
    arrays = _read_arrays(path)
    if not {"vertices", "faces"} <= arrays.keys():
        raise InputError(f"{path}: a mesh needs 'vertices' and 'faces', found {sorted(arrays)}")
    vertices, faces = arrays["vertices"].astype(np.float32), arrays["faces"].astype(np.int64)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"{path}: vertices {vertices.shape} and faces {faces.shape} must be (N, 3)")
    if not np.isfinite(vertices).all():
        raise InputError(f"{path}: a vertex is not finite")
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names a vertex that is not among the {len(vertices)}")
    return Mesh(torch.from_numpy(vertices), torch.from_numpy(faces))


def read_flame(path: Path) -> dict[str, Tensor]:
    """FLAME parameters by name; raises `InputError` naming the file."""
    return {name: torch.from_numpy(value) for name, value in _read_arrays(path).items()}


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The numeric arrays of an npz, which may hold no pickled objects."""
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {error}") from error
