"""Writes small FlatBuffers, and lets a new root refer to the parts of an old one.

References in a FlatBuffer (https://flatbuffers.dev/internals) point forward only, so parents come before
their children, and a new root stands in front of the old file.
"""

import struct
from collections.abc import Callable, Mapping, Sequence

Node = Callable[[bytearray], int]
"""Appends itself to a buffer, and returns the position where it can be referred to."""


def table(fields: Mapping[int, bytes | Node]) -> Node:
    """A table of `fields` by number: four bytes of a value, or what the field refers to."""

    def write(out: bytearray) -> int:
        ordered, count = sorted(fields), max(fields) + 1
        _align(out, 4, -2 * count % 4)  # so that the table, behind its vtable, is aligned
        offsets = [4 + 4 * ordered.index(number) if number in fields else 0 for number in range(count)]
        vtable, size = len(out), 4 + 4 * len(fields)
        out += struct.pack(f"<HH{count}H", 4 + 2 * count, size, *offsets)
        start = len(out)
        out += struct.pack("<i", start - vtable) + bytes(size - 4)
        _fill(out, start + 4, [fields[number] for number in ordered])
        return start

    return write


def vector(items: Sequence[bytes | Node]) -> Node:
    """A vector of values of four bytes, or of references."""

    def write(out: bytearray) -> int:
        _align(out, 4)
        start = len(out)
        out += struct.pack("<I", len(items)) + bytes(4 * len(items))
        _fill(out, start + 4, items)
        return start

    return write


def data(content: bytes) -> Node:
    """A vector of bytes or a string: the first byte is aligned to 16 bytes, a zero follows the last."""

    def write(out: bytearray) -> int:
        _align(out, 16, 12)
        start = len(out)
        out += struct.pack("<I", len(content)) + content + b"\0"
        return start

    return write


def finished(root: Node, identifier: bytes) -> bytes:
    """A whole FlatBuffer, whose four-byte `identifier` names its schema."""
    out = bytearray(4) + identifier
    struct.pack_into("<I", out, 0, root(out))
    _align(out, 16)
    return bytes(out)


def references(buffer: bytes, at: int, count: int) -> list[int]:
    """Where the `count` references from position `at` on point."""
    return [at + 4 * i + struct.unpack_from("<I", buffer, at + 4 * i)[0] for i in range(count)]


def fields_of(buffer: bytes) -> dict[int, int]:
    """The positions of the fields that the root table holds, by number."""
    (start,) = struct.unpack_from("<I", buffer)
    vtable = start - struct.unpack_from("<i", buffer, start)[0]
    (size,) = struct.unpack_from("<H", buffer, vtable)
    offsets = struct.unpack_from(f"<{(size - 4) // 2}H", buffer, vtable + 4)
    return {number: start + offset for number, offset in enumerate(offsets) if offset}


def _fill(out: bytearray, start: int, items: Sequence[bytes | Node]) -> None:
    for i, item in enumerate(items):
        at = start + 4 * i
        out[at : at + 4] = item if isinstance(item, bytes) else struct.pack("<I", item(out) - at)


def _align(out: bytearray, alignment: int, remainder: int = 0) -> None:
    out += bytes((remainder - len(out)) % alignment)
