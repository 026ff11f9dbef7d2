"""Reads and writes PLY files as named columns: any number type, text or binary, only the wanted elements.

A header cannot make the reader allocate memory: the number of rows is compared with the file's size before
any row is read, and other elements are skipped. Source: Turk, "The PLY polygon
file format" (1994).
"""

import collections
import io
import itertools
import mmap
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.system import (
    BYTE_ORDERS,
    TYPE_NAMES,
    PlyElement,
    PlyHeader,
    opened,
    parse_header,
    require_enough_bytes,
    require_regular_file,
)

MAX_PLY_HEADER_BYTES = 1 << 20
"""Most bytes of a header; 62 properties take 2 kB, the rest is room for comments."""
MAX_LIST_ROWS = 1_000_000
"""Most rows with lists before a wanted element: they are skipped one by one, a million in about a second."""

Columns = NDArray[np.void]
"""(N,) rows of an element, a structured array with one field for each property."""


@dataclass(frozen=True)
class PlyElements:
    """The elements and comments that were read from a PLY file."""

    rows: Mapping[str, Columns]
    """The wanted elements that the file has, by name."""
    comments: tuple[str, ...]
    """The comment lines of the header, without the word `comment`."""


def read_ply_elements(path: str | Path, wanted: Iterable[str]) -> PlyElements:
    """The elements in `wanted` that a PLY file has, with the file's order and number types.

    Raises `InputError` when the file is missing, is no PLY file, is shorter than its header states, or has
    lists in a wanted element.
    """
    size = require_regular_file(path)
    try:
        with opened(path) as file:
            header = parse_header(file.read(MAX_PLY_HEADER_BYTES))
            left = {element.name for element in header.elements} & set(wanted)
            require_enough_bytes(header, size)
            read = _read_text if header.format == "ascii" else _read_binary
            return PlyElements(read(file, header, left, size), header.comments)
    except InputError:
        raise
    except (ValueError, OverflowError, struct.error) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {path}: it is no PLY file, or a damaged one ({reason})") from error


def encode_ply_elements(elements: Mapping[str, Columns], comments: Iterable[str] = ()) -> bytes:
    """The bytes of a binary PLY; see `ply_parts`."""
    return b"".join(ply_parts(elements, comments))


def ply_parts(elements: Mapping[str, Columns], comments: Iterable[str] = ()) -> list[bytes | memoryview]:
    """Header and rows of a binary PLY that holds these elements, their columns little-endian, in order.

    Comments follow the properties, because some readers, such as SIBR's, expect the first element in the
    third line. They are written as ASCII without line breaks.
    """
    lines = ["ply", "format binary_little_endian 1.0"]
    for name, rows in elements.items():
        lines.append(f"element {name} {len(rows)}")
        kinds = {field: rows.dtype[field].str.lstrip("<|") for field in rows.dtype.names or ()}
        lines += [f"property {TYPE_NAMES[kind]} {field}" for field, kind in kinds.items()]
    lines += [f"comment {' '.join(comment.split())}" for comment in comments]
    header = "\n".join([*lines, "end_header", ""]).encode("ascii", "backslashreplace")
    return [header, *(np.ascontiguousarray(rows).data for rows in elements.values())]


def _read_binary(file: BinaryIO, header: PlyHeader, wanted: set[str], size: int) -> dict[str, Columns]:
    rows: dict[str, Columns] = {}
    place, order = header.size, BYTE_ORDERS[header.format]
    for element in header.elements:
        if wanted <= rows.keys():
            break
        if element.lists and element.name not in wanted:
            place = _place_after_lists(file, place, element, order)
            continue
        row = element.dtype(order)
        end = place + element.count * row.itemsize
        if end > size:
            raise ValueError(f"element {element.name!r}: the file ends before its {element.count} rows do")
        if element.name in wanted:
            file.seek(place)
            rows[element.name] = np.frombuffer(file.read(end - place), row, element.count)
        place = end
    return rows


def _place_after_lists(file: BinaryIO, place: int, element: PlyElement, order: str) -> int:
    """Offset of the end of an element with lists whose rows begin at offset `place`."""
    if element.count > MAX_LIST_ROWS:
        raise ValueError(
            f"element {element.name!r}: {element.count} rows with lists come before wanted elements"
        )
    steps = [
        (np.dtype(kind).itemsize, length and struct.Struct(order + np.dtype(length).char))
        for kind, length in element.properties.values()
    ]
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for _ in range(element.count):
            for item_bytes, length in steps:
                if length:
                    (count,) = length.unpack_from(content, place)
                    if not (isinstance(count, int) and count >= 0):
                        raise ValueError(f"element {element.name!r}: a list has {count} items")
                    place += length.size + count * item_bytes
                else:
                    place += item_bytes
    return place


def _read_text(file: BinaryIO, header: PlyHeader, wanted: set[str], size: int) -> dict[str, Columns]:
    rows: dict[str, Columns] = {}
    file.seek(header.size)
    text = io.TextIOWrapper(file, "ascii", "replace")
    try:
        for element in header.elements:
            if wanted <= rows.keys():
                break
            lines = itertools.islice((line for line in text if line.strip()), element.count)
            if element.name in wanted:
                rows[element.name] = _table(element, list(lines))
            else:
                collections.deque(lines, maxlen=0)  # consumes the iterator quickly
    finally:
        text.detach()  # otherwise it would close the file, too
    return rows


def _table(element: PlyElement, lines: list[str]) -> Columns:
    """The rows in lines of text, one row per line, with numbers separated by spaces."""
    rows = np.zeros(element.count, element.dtype("="))
    if len(lines) < element.count:
        raise ValueError(f"element {element.name!r}: the file ends after {len(lines)} rows")
    try:
        numbers = np.loadtxt(lines, np.float64, comments=None, ndmin=2) if lines else np.zeros((0, 0))
    except ValueError:
        _require_full_rows(element, lines)  # numpy's own words are about its parameters
        raise
    if lines and numbers.shape[1] != len(element.properties):
        _require_full_rows(element, lines)
    for (name, (kind, _)), column in zip(element.properties.items(), numbers.T, strict=False):
        if kind[0] in "iu":
            ends = np.iinfo(kind)
            if not ((column >= ends.min) & (column <= ends.max)).all():
                raise ValueError(
                    f"element {element.name!r}: {name} holds a number that does not fit into {kind}"
                )
        rows[name] = column
    return rows


def _require_full_rows(element: PlyElement, lines: list[str]) -> None:
    """Raise `ValueError` for the first row of a text that has not one number for each property."""
    for row, line in enumerate(lines):
        if (held := len(line.split())) != len(element.properties):
            raise ValueError(
                f"element {element.name!r}: row {row} holds {held} numbers, not {len(element.properties)}"
            )
