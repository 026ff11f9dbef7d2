"""Reads the head's surface from a capture folder: points, mesh, FLAME parameters."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.captures import is_file, shown
from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.system import read_npz, read_ply_elements


def read_points(path: Path) -> Tensor | None:
    """Vertices (P, 3) of a PLY in metres; None if there is no file; raises `InputError` with its path."""
    if not is_file(path):
        return None
    rows = read_ply_elements(path, ("vertex",)).rows.get("vertex")
    if rows is None or not {"x", "y", "z"} <= set(rows.dtype.names or ()):
        raise InputError(f"cannot read points from {path}: it has no element vertex with x, y and z")
    points = np.stack([rows[axis].astype(np.float32) for axis in "xyz"], 1)
    if len(points) == 0 or not np.isfinite(points).all():
        raise InputError(f"{path}: the points are empty or not finite")
    return torch.from_numpy(points)


def read_mesh(path: Path) -> Mesh | None:
    """The mesh in an npz of `vertices` and `faces`; None if there is no file; raises `InputError`."""
    if not is_file(path):
        return None
    arrays = _real_arrays(path, ("vertices", "faces"))
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
    """FLAME parameters by name; raises `InputError` with the file's path."""
    if not is_file(path):
        raise InputError(f"there is no file {path}, which should hold the FLAME parameters")
    return {name: torch.from_numpy(value) for name, value in _real_arrays(path).items()}


def _real_arrays(path: Path, wanted: Iterable[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """The arrays of an npz with these names, by default all, which must hold real numbers."""
    arrays = read_npz(path, wanted)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise InputError(f"{path}: the array {shown(name)} does not hold real numbers")
    # torch supports only the machine's own byte order.
    return {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}
