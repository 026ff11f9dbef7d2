"""Reads `.spz` files (layout: see `spz`), which may be damaged or hostile."""

import logging
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    HALF_SQRT_2,
    Stored,
    decode_opacity_bytes,
    decode_unit,
    from_smallest_three,
    head_to_frame,
    require_plausible_count,
    unpack,
)
from fastavatar.formats.splats.spz import (
    ANTIALIASED,
    COLOR_FACTOR,
    EXTENDED,
    HEADER,
    MAGIC,
    ROTATION_BITS,
    SCALE_LOW,
    SCALE_STEP,
    SH_ZERO,
)
from fastavatar.geometry import MAX_DEGREE
from fastavatar.system import read_bytes

log = logging.getLogger(__name__)

TABLE_AT = 16
"""Offset in a version 4 header of the 32-bit number that is the offset of the table of sizes."""

TRAILER_BYTES = 1 << 20
"""Extensions may follow the arrays of versions 1 to 3; this module skips up to 1 MiB of them."""


def parse_spz(path: Path) -> Stored:
    """The content of an `.spz` file of version 1 to 4; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    try:
        header, streams = _read_gzip(content) if content[:2] == b"\x1f\x8b" else _read_zstd(content)
        gaussians = _decode(header, streams)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except (zlib.error, OSError) as error:  # pyarrow raises OSError for damaged zstd data
        raise InputError(f"cannot read {path}: it is a damaged .spz file ({error})") from error
    left_out = {
        f"SH coefficients above degree {MAX_DEGREE}": header["sh_degree"] > MAX_DEGREE,
        "anti-aliasing filter": header["flags"] & ANTIALIASED,
        "extensions": header["flags"] & EXTENDED,
    }
    for what in (name for name, there in left_out.items() if there):
        log.warning("%s is read without its %s", path, what)
    return Stored(gaussians.rotated(head_to_frame("opencv")), None)


def _stream_sizes(header: np.void) -> list[int]:
    """Bytes of each array, in the file's order; raises `InputError` for an impossible header."""
    version, count, degree = (int(header[name]) for name in ("version", "count", "sh_degree"))
    if header["magic"] != MAGIC:
        raise InputError("it is no .spz file")
    if not 1 <= version <= 4:
        raise InputError(f"it is an .spz file of version {version}; versions 1 to 4 are known")
    if not count:
        raise InputError("it holds no Gaussians")
    if degree > 4 or header["fraction_bits"] > 24:
        raise InputError("it is a damaged .spz file (its header is wrong)")
    each = (6 if version == 1 else 9, 1, 3, 3, 3 if version < 3 else 4, 3 * ((degree + 1) ** 2 - 1))
    return [size * count for size in each if size]


def _read_gzip(content: bytes) -> tuple[np.void, list[bytes]]:
    """The header and the arrays of version 1 to 3."""
    inflate = zlib.decompressobj(wbits=31)
    header = _header(inflate.decompress(content, HEADER.itemsize))
    sizes = _stream_sizes(header)
    require_plausible_count(int(header["count"]), len(content))
    body = inflate.decompress(inflate.unconsumed_tail, sum(sizes) + TRAILER_BYTES)
    if len(body) < sum(sizes) or not inflate.eof:
        raise InputError("it is a damaged .spz file (it ends too early)")
    ends = np.cumsum(sizes)
    return header, [body[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _read_zstd(content: bytes) -> tuple[np.void, list[bytes]]:
    """The header and the arrays of version 4."""
    header = _header(content)
    sizes = _stream_sizes(header)
    require_plausible_count(int(header["count"]), len(content))
    if header["version"] < 4 or len(content) < TABLE_AT + 4 or header["streams"] != len(sizes):
        raise InputError("it is a damaged .spz file (its header is wrong)")
    at = int.from_bytes(content[TABLE_AT : TABLE_AT + 4], "little")
    begin = at + 16 * len(sizes)
    if begin > len(content):
        raise InputError("it is a damaged .spz file (it ends too early)")
    table = np.frombuffer(content, "<u8", 2 * len(sizes), at).reshape(-1, 2)
    packed = [int(size) for size in table[:, 0]]
    if table[:, 1].tolist() != sizes or begin + sum(packed) > len(content):
        raise InputError("it is a damaged .spz file (its table of sizes is wrong)")

    import pyarrow

    ends = begin + np.cumsum(packed)
    parts = [content[end - size : end] for end, size in zip(ends, packed, strict=True)]
    return header, [
        pyarrow.decompress(part, decompressed_size=size, codec="zstd", asbytes=True)
        for part, size in zip(parts, sizes, strict=True)
    ]


def _header(content: bytes) -> np.void:
    if len(content) < HEADER.itemsize:
        raise InputError("it is no .spz file, or one that ends too early")
    header: np.void = np.frombuffer(content, HEADER, 1)[0]
    return header


def _decode(header: np.void, streams: list[bytes]) -> Gaussians:
    """The Gaussians in the format's own axes, SH up to degree 3."""
    count, version = int(header["count"]), int(header["version"])
    positions, opacities, colors, sizes, rotations, *rest = (np.frombuffer(s, np.uint8) for s in streams)
    if version == 1:
        means: NDArray[np.floating] = positions.view("<f2").reshape(count, 3)
    else:
        words = np.zeros((count, 3, 4), np.uint8)
        words[..., 1:] = positions.reshape(count, 3, 3)
        means = (words.view("<i4")[..., 0] >> 8) / 2.0 ** int(header["fraction_bits"])  # keeps the sign
    if version < 3:
        vector = rotations.reshape(count, 3) / 127.5 - 1
        real = np.sqrt(np.clip(1 - (vector**2).sum(1, keepdims=True), 0, None))
        quats_wxyz = np.concatenate([real, vector], 1)
    else:
        quats_wxyz = _decode_rotations(rotations.view("<u4"))
    used = (min(int(header["sh_degree"]), MAX_DEGREE) + 1) ** 2 - 1
    further = rest[0].reshape(count, -1, 3)[:, :used] if rest else np.zeros((count, 0, 3), np.uint8)
    first = (colors.reshape(count, 1, 3) / 255 - 0.5) / COLOR_FACTOR
    return Gaussians(
        _floats(means),
        _floats(quats_wxyz),
        _floats(sizes.reshape(count, 3) * SCALE_STEP + SCALE_LOW),
        torch.from_numpy(decode_opacity_bytes(opacities)),
        _floats(np.concatenate([first, (further.astype(np.float32) - SH_ZERO) / 128], 1)),
    )


def _decode_rotations(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Words (N,) → unit quaternions wxyz (N, 4), the largest part positive."""
    largest, *fields = unpack(words, ROTATION_BITS)
    signs, sizes = np.stack(fields[0::2], 1), np.stack(fields[1::2], 1)
    others = np.where(signs == 1, -1, 1) * decode_unit(sizes, 9) * HALF_SQRT_2
    return from_smallest_three(largest, others)[:, [3, 0, 1, 2]]


def _floats(values: NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
