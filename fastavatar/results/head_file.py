"""`head.npz` in a folder of results: the mesh, the Gaussians' binding to it, and the parametric head.

Animations and meshes of a saved head need them. Vertices and parameters are stored as float32, a binding's
weights in 16-bit steps between the smallest and the largest: 20 nm for edges of a millimetre.
"""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Avatar, Binding, HeadParameters, Mesh
from fastavatar.errors import InputError
from fastavatar.geometry import Ints
from fastavatar.system import read_npz

FORMAT = 1
"""The layout of the file; another number means another layout."""
_STEPS = 65535

_Arrays = dict[str, NDArray[np.generic]]


class HeadContent(NamedTuple):
    """What the file holds of an avatar, as the avatar's fields of these names."""

    mesh: Mesh
    binding: Binding | None
    head: HeadParameters | None


def encode_head(avatar: Avatar) -> bytes:
    """The file's bytes for an avatar with a mesh; the same avatar gives the same bytes.

    Colours, texture, shapes and skeleton of the mesh are left out: they can be made again from the rest.
    """
    if avatar.mesh is None:
        raise InputError("nothing to write: the avatar has no mesh")
    arrays: _Arrays = {"format": np.array(FORMAT), **_encode_mesh(avatar.mesh)}
    if avatar.binding is not None:
        arrays |= _encode_binding(avatar.binding)
    if avatar.head is not None:
        arrays |= {name: _floats(getattr(avatar.head, name)) for name in ("identity", "expression", "joints")}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_head(path: Path) -> HeadContent:
    """The content of a `head.npz`; raises `InputError` when it is missing, damaged or of another layout."""
    arrays = read_npz(path)
    try:
        if int(arrays["format"]) != FORMAT:
            raise InputError(f"it has layout {int(arrays['format'])}, this program reads {FORMAT}")
        mesh = _decode_mesh(arrays)
        binding = _decode_binding(arrays) if "corners" in arrays else None
        if binding is not None and len(binding) and int(binding.corners.max()) >= len(mesh.vertices):
            raise InputError("a Gaussian is bound to a vertex that the mesh does not have")
        head = None
        if "identity" in arrays:
            head = HeadParameters(*(_tensor(arrays[name]) for name in ("identity", "expression", "joints")))
    except KeyError as error:
        raise InputError(f"cannot read {path}: it has no array {error}") from None
    except (ValueError, TypeError) as error:  # shapes that do not match, and arrays that hold text
        raise InputError(f"cannot read {path}: {error}") from None
    return HeadContent(mesh, binding, head)


def _encode_mesh(mesh: Mesh) -> _Arrays:
    arrays: _Arrays = {"vertices": _floats(mesh.vertices), "faces": _smallest(mesh.faces)}
    for name in ("regions", "uv_faces", "parts"):
        if (values := getattr(mesh, name)) is not None:
            arrays[name] = _smallest(values)
    if mesh.uv is not None:
        arrays["uv"] = _floats(mesh.uv)
    if mesh.part_names:
        arrays["part_names"] = np.array(mesh.part_names)
    return arrays


def _decode_mesh(arrays: _Arrays) -> Mesh:
    def stated(name: str) -> Tensor | None:
        return _integers(arrays[name]) if name in arrays else None

    return Mesh(
        _tensor(arrays["vertices"]),
        _integers(arrays["faces"]),
        regions=stated("regions"),
        uv=_tensor(arrays["uv"]) if "uv" in arrays else None,
        uv_faces=stated("uv_faces"),
        parts=stated("parts"),
        part_names=tuple(map(str, arrays["part_names"])) if "part_names" in arrays else (),
    )


def _encode_binding(binding: Binding) -> _Arrays:
    """Corners, and the first two weights as w = low + step · integer; the third is the rest of 1."""
    weights = binding.weights[:, :2].detach().double().cpu().numpy()
    low = float(weights.min(initial=0.0))
    step = (float(weights.max(initial=1.0)) - low) / _STEPS
    steps = np.rint((weights - low) / step).astype(np.uint16)
    return {"corners": _smallest(binding.corners), "weights": steps, "weights_range": np.array([low, step])}


def _decode_binding(arrays: _Arrays) -> Binding:
    low, step = arrays["weights_range"].astype(np.float64)
    two = arrays["weights"].astype(np.float64) * step + low
    weights = np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)
    return Binding(_integers(arrays["corners"]), _tensor(weights))


def _floats(values: Tensor) -> NDArray[np.float32]:
    return np.asarray(values.detach().cpu().numpy(), np.float32)


def _smallest(values: Tensor) -> Ints | NDArray[np.unsignedinteger]:
    """Integers ≥ 0 in the smallest type that holds them all."""
    largest = int(values.max()) if values.numel() else 0
    return values.cpu().numpy().astype(np.min_scalar_type(largest))


def _tensor(values: NDArray[np.generic]) -> Tensor:
    found = torch.from_numpy(values.astype(np.float32))
    if not bool(found.isfinite().all()):
        raise InputError("it holds numbers that are not finite")
    return found


def _integers(values: NDArray[np.generic]) -> Tensor:
    if values.dtype.kind not in "ui":
        raise InputError(f"it holds {values.dtype} where indices belong")
    return torch.from_numpy(values.astype(np.int64))
