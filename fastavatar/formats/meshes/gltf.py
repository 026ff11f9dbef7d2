"""The numbers of a glTF file, and the objects that say where they lie and what they are."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BYTE, SHORT, INT, FLOAT = 5121, 5123, 5125, 5126
_COMPONENTS = {"i1": 5120, "u1": BYTE, "i2": 5122, "u2": SHORT, "u4": INT, "f4": FLOAT}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_KINDS = {number: np.dtype(f"<{kind}") for kind, number in _COMPONENTS.items()}
_COLUMNS = {name: columns for columns, name in _TYPES.items()}
VERTICES, INDICES = 34962, 34963
LEAST_OFFSET_M = 1e-5
"""A vertex that a shape moves less than a hundredth of a millimetre stays."""

MOST_NUMBERS = 50_000_000
"""Numbers of the largest accessor that is read: one may state zeros without storing any."""

GltfObject = dict[str, Any]


@dataclass
class GltfBuffer:
    """The numbers of a file and the glTF objects that describe them."""

    content: bytearray = field(default_factory=bytearray)
    views: list[GltfObject] = field(default_factory=list)
    accessors: list[GltfObject] = field(default_factory=list)

    def view(self, data: bytes, target: int | None = None) -> int:
        """The index of a new view of `data`, which begins at a multiple of 4 bytes."""
        made = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(data)}
        self.views.append(made | ({} if target is None else {"target": target}))
        self.content += data + bytes(-len(data) % 4)
        return len(self.views) - 1

    def accessor(
        self, values: NDArray[np.generic], target: int | None = None, bounds: bool = False, unit: bool = False
    ) -> int:
        """The index of a new accessor of `values` (N, C) or (N,).

        `unit` says that integers stand for 0…1, `bounds` that the accessor states least and greatest values.
        """
        made = _described(values) | {"bufferView": self.view(values.tobytes(), target)}
        made |= {"normalized": True} if unit else {}
        made |= _bounds(values) if bounds else {}
        self.accessors.append(made)
        return len(self.accessors) - 1

    def sparse(self, offsets: NDArray[np.float32]) -> int:
        """The index of a new accessor of `offsets` (N, 3), of which it stores those that are not zero."""
        moved = np.flatnonzero(np.linalg.norm(offsets, axis=1) > LEAST_OFFSET_M)
        kept = np.zeros_like(offsets)
        kept[moved] = offsets[moved]
        made = _described(offsets) | _bounds(kept)
        if len(moved):
            index = moved.astype("<u2" if len(offsets) <= 65535 else "<u4")
            made["sparse"] = {
                "count": len(moved),
                "indices": {
                    "bufferView": self.view(index.tobytes()),
                    "componentType": _COMPONENTS[index.dtype.str[1:]],
                },
                "values": {"bufferView": self.view(offsets[moved].tobytes())},
            }
        self.accessors.append(made)
        return len(self.accessors) - 1


def _described(values: NDArray[np.generic]) -> GltfObject:
    columns = values.shape[1] if values.ndim > 1 else 1
    return {
        "componentType": _COMPONENTS[values.dtype.str[1:]],
        "count": len(values),
        "type": _TYPES[columns],
    }


def _bounds(values: NDArray[np.generic]) -> GltfObject:
    return {"min": values.min(0).tolist(), "max": values.max(0).tolist()}


def read_accessor(document: GltfObject, content: bytes, index: int) -> NDArray[np.float64]:
    """The numbers (N, C), or (N,) for scalars, of an accessor, those that are normalised in their unit.

    Raises `ValueError` or `LookupError` for a document that contradicts itself or its buffer, `content`.
    """
    stated = document["accessors"][index]
    kind, columns, count = _KINDS[stated["componentType"]], _COLUMNS[stated["type"]], int(stated["count"])
    if not 0 <= count * columns <= MOST_NUMBERS:
        raise ValueError(f"an accessor counts {count:,} elements")
    values = np.zeros((count, columns), kind)
    if "bufferView" in stated:
        start = stated.get("byteOffset", 0)
        values = _elements(document, content, stated["bufferView"], start, (count, columns), kind)
    if sparse := stated.get("sparse"):
        where, which, filled = sparse["indices"], sparse["values"], int(sparse["count"])
        one, rows = _KINDS[where["componentType"]], which["bufferView"]
        at = _elements(document, content, where["bufferView"], where.get("byteOffset", 0), (filled, 1), one)
        values = values.copy()
        values[at[:, 0]] = _elements(
            document, content, rows, which.get("byteOffset", 0), (filled, columns), kind
        )
    found = values.astype(np.float64)
    if stated.get("normalized") and kind.kind in "iu":
        found = np.maximum(found / np.iinfo(kind).max, -1.0)
    return found[:, 0] if columns == 1 else found


def _elements(
    document: GltfObject,
    content: bytes,
    view: int,
    start: int,
    shape: tuple[int, int],
    kind: np.dtype[np.generic],
) -> NDArray[np.generic]:
    """Elements of `shape` (N, C) in a view of the buffer, in which other data may lie between them."""
    stated = document["bufferViews"][view]
    if stated.get("buffer", 0) != 0:
        raise ValueError("its numbers are in another file: export it as one file")
    size = shape[1] * kind.itemsize
    stride = stated.get("byteStride", size)
    first, length = stated.get("byteOffset", 0) + start, stated["byteLength"]
    needed = (shape[0] - 1) * stride + size if shape[0] else 0
    if min(first, stride - size, start) < 0 or start + needed > length or first + needed > len(content):
        raise ValueError("an accessor reaches beyond its buffer")
    rows = np.lib.stride_tricks.as_strided(
        np.frombuffer(content, np.uint8, needed, first), (shape[0], size), (stride, 1)
    )
    return np.ascontiguousarray(rows).view(kind)
