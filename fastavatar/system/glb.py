"""The container of binary glTF: a header, one chunk of JSON, and one of numbers."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastavatar.errors import InputError
from fastavatar.system import read_bytes

_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")


def pack_glb(document: Mapping[str, Any], content: bytes) -> bytes:
    """The bytes of a `.glb` with a glTF `document` whose buffer 0 is `content`, padded to 4 bytes."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = b"".join(
        _CHUNK.pack(len(chunk), kind) + chunk for chunk, kind in ((text, b"JSON"), (content, b"BIN\0"))
    )
    return _HEADER.pack(b"glTF", 2, _HEADER.size + len(chunks)) + chunks


def unpack_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """The document and the buffer in a `.glb`, empty where there is none.

    Raises `InputError` when the file is missing, cut off, or no binary glTF of version 2.
    """
    data = read_bytes(path)
    try:
        magic, version, length = _HEADER.unpack_from(data.ljust(_HEADER.size, b"\0"))
        if magic != b"glTF" or version != 2 or length > len(data):
            raise ValueError("its header is wrong, or the file is cut off")
        found: dict[bytes, bytes] = {}
        start = _HEADER.size
        while start < length:
            size, kind = _CHUNK.unpack_from(data, start)
            start += _CHUNK.size
            if start + size > length:
                raise ValueError("a chunk is cut off")
            found.setdefault(kind, data[start : start + size])
            start += size
        document = json.loads(found.get(b"JSON", b""))
        if not isinstance(document, dict):
            raise ValueError("its JSON is no object")
    except (struct.error, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"cannot read {path}: it is no GLB file, or a damaged one ({reason})") from error
    return document, found.get(b"BIN\0", b"")
