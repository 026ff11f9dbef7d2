"""What a capture folder knows of the head itself: points, mesh, FLAME parameters."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.captures.files import is_file, shown
from fastavatar.core import Mesh
from fastavatar.errors import InputError

MAX_BYTES = 2**30
"""Arrays of more bytes than this are not read: the finest head scans, of ten million faces, take a third."""
_MAX_HEADER_BYTES = 65_536
# Everything that numpy and zipfile were seen to raise on damaged, encrypted and hostile archives.
_DAMAGED = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError),
    *(ValueError, lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error),
)


def read_points(path: Path) -> Tensor | None:
    """Vertices (P, 3) of a PLY in metres, None where there is no file; raises `InputError` naming it."""
    if not is_file(path):
        return None
    from plyfile import PlyData, PlyParseError

    _require_rows_in_file(path)
    try:
        vertex = PlyData.read(str(path))["vertex"]
        points = np.stack([np.asarray(vertex[axis], np.float32) for axis in "xyz"], 1)
    except (PlyParseError, *_DAMAGED) as error:
        raise InputError(f"cannot read points from {path}: {_reason(error)}") from error
    if len(points) == 0 or not np.isfinite(points).all():
        raise InputError(f"{path}: the points are empty or not finite")
    return torch.from_numpy(points)


def read_mesh(path: Path) -> Mesh | None:
    """The mesh in an npz of `vertices` and `faces`, None where there is no file; raises `InputError`."""
    if not is_file(path):
        return None
    arrays = _read_arrays(path, ("vertices", "faces"))
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
    if not is_file(path):
        raise InputError(f"there is no file {path}, which should hold the FLAME parameters")
    return {name: torch.from_numpy(value) for name, value in _read_arrays(path).items()}


def _read_arrays(path: Path, wanted: Iterable[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """The arrays of an npz with these names, by default all; they must hold finite-sized real numbers."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile) or archive.zip is None:
                raise InputError(f"cannot read {path}: it is a single array, an .npz file is needed")
            names = archive.files if wanted is None else [name for name in wanted if name in archive.files]
            _require_small(path, archive.zip, names)
            arrays = {name: archive[name] for name in names}
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise InputError(f"{path}: the array {shown(name)} does not hold real numbers")
    # Torch takes only the machine's own byte order.
    return {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}


def _require_small(path: Path, archive: zipfile.ZipFile, names: Iterable[str]) -> None:
    """Raise for arrays that unpack to more than `MAX_BYTES`; zipfile never reads more than it declares."""
    members = {f"{name}.npy" for name in names} | set(names)
    total = sum(member.file_size for member in archive.infolist() if member.filename in members)
    if total > MAX_BYTES:
        raise InputError(f"{path} holds arrays of {total // 2**20} MiB; {MAX_BYTES // 2**20} are the most")


def _require_rows_in_file(path: Path) -> None:
    """Raise for a PLY whose header counts more rows than the file has bytes, before they are allocated."""
    try:
        with path.open("rb") as file:
            header = file.read(_MAX_HEADER_BYTES).split(b"end_header")[0]
        lines = [line.split() for line in header.replace(b"\r", b"\n").split(b"\n")]
        counted = sum(int(words[2]) for words in lines if words[:1] == [b"element"] and len(words) > 2)
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read points from {path}: {_reason(error)}") from error
    if counted > size:
        raise InputError(f"cannot read points from {path}: it counts {counted} rows and has {size} bytes")


def _reason(error: Exception) -> str:
    """What an exception says, on one line of bounded length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
