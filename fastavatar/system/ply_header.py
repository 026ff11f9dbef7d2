"""The header of a PLY file: which elements it has, of which properties, and how many rows of each."""

import re
from dataclasses import dataclass

import numpy as np

_KINDS = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"}
_KINDS |= {"float": "f4", "double": "f8"}
_TYPES = _KINDS | {np.dtype(kind).name: kind for kind in _KINDS.values()}
"""numpy's codes by the names that a header may use: the first ones, and newer ones such as `int8` or
`float32`."""
TYPE_NAMES = {kind: name for name, kind in _KINDS.items()}
BYTE_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class PlyElement:
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
class PlyHeader:
    """What stands before the rows."""

    format: str
    """A key of `BYTE_ORDERS`."""
    elements: tuple[PlyElement, ...]
    """In the order of the file."""
    comments: tuple[str, ...]
    """Comment lines without the word `comment`."""
    size: int
    """Bytes before the first row."""


def parse_header(head: bytes) -> PlyHeader:
    """The header at the beginning of a file; comments may hold any bytes. Raises `ValueError`."""
    begin = re.match(rb"ply[ \t]*(\r\n|\n|\r)", head)
    if begin is None:
        raise ValueError("line 1: it does not begin with 'ply'")
    line_end = begin[1]
    end = re.search(re.escape(line_end) + rb"end_header[ \t]*" + re.escape(line_end), head)
    text = head[: end.start() if end else None].decode("utf-8", "replace")
    format_name, elements, comments = "", dict[str, PlyElement](), list[str]()
    number, properties = 1, dict[str, tuple[str, str | None]]()
    for number, line in enumerate(text.split(line_end.decode())[1:], 2):
        match line.split():
            case [] | ["obj_info", *_]:
                pass
            case ["comment", *_]:
                comments.append(line.strip().removeprefix("comment").strip())
            case ["format", name, "1.0"] if name in BYTE_ORDERS and not format_name:
                format_name = name
            case ["element", name, count] if name not in elements and re.fullmatch("[0-9]{1,30}", count):
                properties = {}
                elements[name] = PlyElement(name, int(count), properties)
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
    return PlyHeader(format_name, tuple(elements.values()), tuple(comments), end.end())


def require_enough_bytes(header: PlyHeader, size: int) -> None:
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
