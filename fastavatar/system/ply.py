"""Reads and writes PLY files as named columns: any number type, text or binary, only the wanted elements.

A header cannot make the reader allocate memory: the number of rows is compared with the file's size before
any row is read, and other elements are skipped. Source: Turk, "The PLY polygon
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
from fastavatar.system import opened, require_regular_file

MAX_HEADER_BYTES = 1 << 20
"""Most bytes of a header; 62 properties take 2 kB, the rest is room for comments."""
MAX_LIST_ROWS = 1_000_000
"""Most rows with lists before a wanted element: they are skipped one by one, a million in about a second."""

_KINDS = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_KINDS |= {"float": "f4", "double": "f8"}
_TYPES = _KINDS | {np.dtype(kind).name: kind for kind in _KINDS.values()}
"""numpy's codes by the names in a header: the original names, and newer ones such as `int8`, `float32`."""
_NAMES = {kind: name for name, kind in _KINDS.items()}
_BYTE_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}

Columns = NDArray[np.void]
"""(N,) rows of an element, a structured array with one field for each property."""


@dataclass(frozen=True)
class PlyElements:
    """The elements and comments that were read from a PLY file."""

    rows: Mapping[str, Columns]
    """The wanted elements that the file has, by name."""
    comments: tuple[str, ...]
    """The comment lines of the header, without the word `comment`."""


@dataclass
class _Element:
    """An element as the header describes it."""

    name: str
    count: int
    properties: dict[str, tuple[str, str | None]]
    """The number type of each property by its name, and for lists the number type of the length."""

    @property
    def lists(self) -> list[str]:
        """Names of the properties that are lists."""
        return [name for name, (_, length) in self.properties.items() if length is not None]

    @property
    def least_row_bytes(self) -> int:
        """Bytes of a binary row whose lists are all empty."""
        return sum(np.dtype(length or kind).itemsize for kind, length in self.properties.values())

    def dtype(self, byte_order: str) -> np.dtype[np.void]:
        """The type of a row without lists; raises `ValueError` when there is one."""
        for name in self.lists[:1]:
            raise ValueError(f"element {self.name!r}: its property {name!r} is a list")
        return np.dtype([(name, byte_order + kind) for name, (kind, _) in self.properties.items()])


@dataclass(frozen=True)
class _Header:
    format: str
    elements: tuple[_Element, ...]
    comments: tuple[str, ...]
    size: int
    """Bytes before the first row."""


def read_ply_elements(path: str | Path, wanted: Iterable[str]) -> PlyElements:
    """The elements in `wanted` that a PLY file has, with the file's order and number types.

    Raises `InputError` when the file is missing, is no PLY file, is shorter than its header states, or has
    lists in a wanted element.
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

    Comments follow the properties, because some readers, such as SIBR's, expect the first element in the
    third line. They are written as ASCII without line breaks.
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
    format_name, elements, comments = "", dict[str, _Element](), list[str]()
    number, properties = 1, dict[str, tuple[str, str | None]]()
    for number, line in enumerate(text.split(line_end.decode())[1:], 2):
        match line.split():
            case [] | ["obj_info", *_]:
                pass
            case ["comment", *_]:
                comments.append(line.strip().removeprefix("comment").strip())
            case ["format", name, "1.0"] if name in _BYTE_ORDERS and not format_name:
                format_name = name
            case ["element", name, count] if name not in elements and re.fullmatch("[0-9]{1,30}", count):
                properties = {}
                elements[name] = _Element(name, int(count), properties)
            case ["property", kind, name] if elements and name not in properties and kind in _TYPES:
                properties[name] = _TYPES[kind], None
            case ["property", "list", length, kind, name] if (
                elements and name not in properties and {length, kind} <= _TYPES.keys()
            ):
                properties[name] = _TYPES[kind], _TYPES[length]
            case _:
                raise ValueError(f"line {number}: {line[:80]!r} is not valid here")
    if end is None:
        raise ValueError(f"line {number}: the header has no end")
    if not format_name:
        raise ValueError("the header names no format")
    return _Header(format_name, tuple(elements.values()), tuple(comments), end.end())


def _require_enough_bytes(header: _Header, size: int) -> None:
    """Raise `ValueError` when the file is too short for the rows in its header."""
    left = size - header.size
    for element in header.elements:
        row_bytes = 2 * len(element.properties) if header.format == "ascii" else element.least_row_bytes
        needed = element.count * max(row_bytes, 1)
        # the last row of a text file needs no line break
        if needed > left + (header.format == "ascii"):
            raise ValueError(
                f"element {element.name!r}: {element.count} rows take {needed} bytes, {left} are there"
            )
        left -= needed


def _read_binary(file: BinaryIO, header: _Header, wanted: set[str], size: int) -> dict[str, Columns]:
    rows: dict[str, Columns] = {}
    place, order = header.size, _BYTE_ORDERS[header.format]
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


def _place_after_lists(file: BinaryIO, place: int, element: _Element, order: str) -> int:
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
                rows[element.name] = _table(element, [line for line in lines if line.strip()])
            else:
                collections.deque(lines, maxlen=0)  # consumes the iterator quickly
    finally:
        text.detach()  # otherwise it would close the file, too
    return rows


def _table(element: _Element, lines: list[str]) -> Columns:
    """The rows in lines of text, one row per line, with numbers separated by spaces."""
    rows = np.zeros(element.count, element.dtype("="))
    if len(lines) < element.count:
        raise ValueError(f"element {element.name!r}: the file ends after {len(lines)} rows")
    numbers = np.loadtxt(lines, np.float64, comments=None, ndmin=2) if lines else np.zeros((0, 0))
    if lines and numbers.shape[1] != len(element.properties):
        raise ValueError(f"element {element.name!r}: a row holds {numbers.shape[1]} numbers")
    for (name, (kind, _)), column in zip(element.properties.items(), numbers.T, strict=False):
        if kind[0] in "iu":
            ends = np.iinfo(kind)
            if not ((column >= ends.min) & (column <= ends.max)).all():
                raise ValueError(
                    f"element {element.name!r}: {name} holds a number that does not fit into {kind}"
                )
        rows[name] = column
    return rows
