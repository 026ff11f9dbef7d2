"""PLY files as named columns: any number type, text or binary, and only the elements that a reader wants.

A header is trusted in nothing that costs memory: the rows that it promises are compared with the file's size
before any of them is read, and other elements are skipped where they stand. Source: Turk, "The PLY polygon
file format" (1994).
"""

import collections
import io
import itertools
import mmap
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.system.files import opened, require_regular_file

MAX_HEADER_BYTES = 1 << 20
"""A header of 62 properties takes 2 kB; the rest is room for comments."""
MAX_LIST_ROWS = 1_000_000
"""Rows with lists have no common length and are skipped one after the other, a million in about a second."""

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_NAMES = {"u1": "uchar", "u4": "uint", "f4": "float"}
_BYTE_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}

Columns = NDArray[np.void]
"""(N,) rows of an element, a structured array with one field for each property."""


@dataclass(frozen=True)
class PlyElements:
    """What was read from a PLY file."""

    rows: Mapping[str, Columns]
    """The elements asked for that the file has, by name."""
    comments: tuple[str, ...]
    """The comment lines of the header, without the word `comment`."""


@dataclass(frozen=True)
class _Element:
    """An element as the header describes it."""

    name: str
    count: int
    properties: tuple[tuple[str, str, str | None], ...]
    """Name, number type, and the number type of the length for lists, in order."""

    @property
    def has_lists(self) -> bool:
        return any(length is not None for _, _, length in self.properties)

    @property
    def least_row_bytes(self) -> int:
        """Bytes of a binary row whose lists are all empty."""
        return sum(np.dtype(length or kind).itemsize for _, kind, length in self.properties)

    def dtype(self, byte_order: str) -> np.dtype[np.void]:
        return np.dtype([(name, byte_order + kind) for name, kind, _ in self.properties])


@dataclass(frozen=True)
class _Header:
    format: str
    elements: tuple[_Element, ...]
    comments: tuple[str, ...]
    size: int
    """Bytes before the first row."""


def read_ply_elements(path: str | Path, wanted: Iterable[str]) -> PlyElements:
    """The elements named in `wanted` that a PLY file has, in whatever order and number type it keeps them.

    Raises `InputError` in one line when the file is missing, is no PLY file, is shorter than its header
    promises, or has lists in a wanted element.
    """
    size = require_regular_file(path)
    try:
        with opened(path) as file:
            header = _parse_header(file.read(MAX_HEADER_BYTES))
            left = {element.name for element in header.elements} & set(wanted)
            _require_enough_bytes(header, size)
            read = _read_text if header.format == "ascii" else _read_binary
            return PlyElements(read(file, header, left, size), header.comments)
    except InputError:
        raise
    except (ValueError, OverflowError, struct.error) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {path}: it is no PLY file, or a damaged one ({reason})") from error


def encode_ply_elements(elements: Mapping[str, Columns], comments: Iterable[str] = ()) -> bytes:
    """The bytes of a binary PLY that holds these elements, their columns little-endian, in order.

    Comments stand behind the properties, because some readers, SIBR's among them, take the third line to be
    the first element. They are written as ASCII without line breaks.
    """
    lines = ["ply", "format binary_little_endian 1.0"]
    for name, rows in elements.items():
        lines.append(f"element {name} {len(rows)}")
        kinds = {field: rows.dtype[field].str.lstrip("<|") for field in rows.dtype.names or ()}
        lines += [f"property {_NAMES[kind]} {field}" for field, kind in kinds.items()]
    lines += [f"comment {' '.join(comment.split())}" for comment in comments]
    header = "\n".join([*lines, "end_header", ""]).encode("ascii", "backslashreplace")
    return b"".join([header, *(rows.tobytes() for rows in elements.values())])


def _parse_header(head: bytes) -> _Header:
    """The header at the beginning of a file; comments may hold any bytes. Raises `ValueError`."""
    begin = re.match(rb"ply[ \t]*(\r\n|\n|\r)", head)
    if begin is None:
        raise ValueError("line 1: it does not begin with 'ply'")
    line_end = begin[1]
    end = re.search(re.escape(line_end) + rb"end_header[ \t]*" + re.escape(line_end), head)
    text = head[: end.start() if end else None].decode("utf-8", "replace")
    format_name, elements, comments = "", list[_Element](), []
    number = 1
    for number, line in enumerate(text.split(line_end.decode())[1:], 2):
        match line.split():
            case [] | ["obj_info", *_]:
                pass
            case ["comment", *_]:
                comments.append(line.strip().removeprefix("comment").strip())
            case ["format", name, "1.0"] if name in _BYTE_ORDERS and not format_name:
                format_name = name
            case ["element", name, count] if re.fullmatch("[0-9]{1,30}", count):
                elements.append(_Element(name, int(count), ()))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1] = _with_property(elements[-1], (name, _TYPES[kind], None))
            case ["property", "list", length, kind, name] if elements and {length, kind} <= _TYPES.keys():
                elements[-1] = _with_property(elements[-1], (name, _TYPES[kind], _TYPES[length]))
            case _:
                raise ValueError(f"line {number}: {line[:80]!r} says nothing that a header may say")
    if end is None:
        raise ValueError(f"line {number}: the header has no end")
    if not format_name:
        raise ValueError("the header names no format")
    names = [element.name for element in elements]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"element {twice!r}: it stands twice in the header")
    return _Header(format_name, tuple(elements), tuple(comments), end.end())


def _with_property(element: _Element, new: tuple[str, str, str | None]) -> _Element:
    return _Element(element.name, element.count, (*element.properties, new))


def _require_enough_bytes(header: _Header, size: int) -> None:
    """Raise `ValueError` when the file is shorter than the rows that its header promises."""
    left = size - header.size
    for element in header.elements:
        row_bytes = 2 * len(element.properties) if header.format == "ascii" else element.least_row_bytes
        needed = element.count * max(row_bytes, 1)
        # the last row of a text needs no line end
        if needed > left + (header.format == "ascii"):
            raise ValueError(
                f"element {element.name!r}: {element.count} rows take {needed} bytes, {left} are there"
            )
        left -= needed


def _require_no_lists(element: _Element) -> None:
    for name, _, length in element.properties:
        if length is not None:
            raise ValueError(f"element {element.name!r}: its property {name!r} is a list")


def _read_binary(file: BinaryIO, header: _Header, wanted: set[str], size: int) -> dict[str, Columns]:
    rows: dict[str, Columns] = {}
    place, order = header.size, _BYTE_ORDERS[header.format]
    for element in header.elements:
        if wanted <= rows.keys():
            break
        if element.name not in wanted and element.has_lists:
            place = _place_after_lists(file, place, element, order)
            continue
        if element.name in wanted:
            _require_no_lists(element)
        row = element.dtype(order)
        end = place + element.count * row.itemsize
        if end > size:
            raise ValueError(f"element {element.name!r}: the file ends before its {element.count} rows do")
        if element.name in wanted:
            file.seek(place)
            rows[element.name] = np.frombuffer(file.read(end - place), row, element.count)
        place = end
    return rows


def _place_after_lists(file: BinaryIO, place: int, element: _Element, order: str) -> int:
    """Where the rows of an element with lists end that begin at `place`."""
    if element.count > MAX_LIST_ROWS:
        raise ValueError(
            f"element {element.name!r}: {element.count} rows with lists stand before what is to be read"
        )
    codes = {
        kind: struct.Struct(order + np.dtype(kind).char) for kind in ("i1", "u1", "i2", "u2", "i4", "u4")
    }
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for _ in range(element.count):
            for _, kind, length in element.properties:
                if length is not None:
                    count = int(codes[length].unpack_from(content, place)[0]) if length in codes else -1
                    if count < 0:
                        raise ValueError(
                            f"element {element.name!r}: a list has no whole number as its length"
                        )
                    place += codes[length].size + count * np.dtype(kind).itemsize
                else:
                    place += np.dtype(kind).itemsize
    return place


def _read_text(file: BinaryIO, header: _Header, wanted: set[str], size: int) -> dict[str, Columns]:
    rows: dict[str, Columns] = {}
    file.seek(header.size)
    text = io.TextIOWrapper(file, "ascii", "replace")
    try:
        for element in header.elements:
            if wanted <= rows.keys():
                break
            lines = itertools.islice(text, element.count)
            if element.name in wanted:
                _require_no_lists(element)
                rows[element.name] = _table(element, [line for line in lines if line.strip()])
            else:
                collections.deque(lines, maxlen=0)  # the quickest way to the end
    finally:
        text.detach()  # else it would close the file with itself
    return rows


def _table(element: _Element, lines: list[str]) -> Columns:
    """The rows of a text: one line each, numbers apart by spaces."""
    if len(lines) < element.count:
        raise ValueError(f"element {element.name!r}: the file ends after {len(lines)} rows")
    rows = np.zeros(len(lines), element.dtype("="))
    if lines:
        numbers = np.loadtxt(lines, np.float64, comments=None, ndmin=2)
        if numbers.shape[1] != len(element.properties):
            raise ValueError(f"element {element.name!r}: a row holds {numbers.shape[1]} numbers")
        for place, (name, kind, _) in enumerate(element.properties):
            column = numbers[:, place]
            if (
                kind[0] in "iu"
                and not ((column >= np.iinfo(kind).min) & (column <= np.iinfo(kind).max)).all()
            ):
                raise ValueError(f"element {element.name!r}: {name} holds what is no {kind}")
            rows[name] = column
    return rows
