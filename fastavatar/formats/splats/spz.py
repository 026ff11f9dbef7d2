"""Gaussians as an `.spz` file, Niantic's packed format: 20 bytes each and a byte per further SH coefficient.

A file is a header of 16 bytes and then one array per attribute, in the order of `_stream_sizes`:

    versions 1 to 3    gzip( header, positions, opacities, colours, sizes, rotations, SH )
    version 4          header, 16 more bytes, table of sizes, zstd( positions ), zstd( opacities ), ...

Version 1 has half-precision positions, versions 1 and 2 leave the w of a rotation out. This module reads all
four versions and writes version 3, the newest one that most viewers read.

The axes of the format are right, up, back; a PLY is taken to have right, down, forward. So a file written in
some frame holds what a PLY in that frame holds after half a turn about x, as other converters have it.
Source: README and `load-spz.h` of github.com/nianticlabs/spz.
"""

import gzip
import logging
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    HALF_SQRT_2,
    Frame,
    Stored,
    canonical_quaternions,
    decode_opacity_bytes,
    decode_unit,
    encode_unit,
    from_smallest_three,
    head_to_frame,
    pack,
    require_plausible_count,
    smallest_three,
    to_be_stored,
    unpack,
)
from fastavatar.geometry import MAX_DEGREE
from fastavatar.system import read_bytes

log = logging.getLogger(__name__)

MAGIC = int.from_bytes(b"NGSP", "little")
VERSION = 3
HEADER = np.dtype(
    [
        ("magic", "<u4"),
        ("version", "<u4"),
        ("count", "<u4"),
        ("sh_degree", "u1"),
        ("fraction_bits", "u1"),
        ("flags", "u1"),
        ("streams", "u1"),
    ]
)
ANTIALIASED, EXTENDED = 1, 2
"""Bits of the flags."""
TABLE_AT = 16
"""Byte of a version 4 header that holds where the table of sizes begins, as a 32-bit number."""

POSITION_LIMIT = (1 << 23) - 1
FRACTION_BITS = 16
"""Steps of 15 µm; the header states them. The reference writer has 12 bits: 0.24 mm is coarse for a head."""
LEAST_BITS = 12
"""Bits after the point, steps of 0.24 mm, that stray centres do not take from the others."""
SCALE_STEP, SCALE_LOW = 1 / 16, -10.0
"""Logarithms of sizes go from −10 (45 µm) to 5.94 in steps of 1/16."""
COLOR_FACTOR = 0.15
"""First SH coefficients of ±0.5 / 0.15 = ±3.3 fit into a byte."""
SH_ZERO = 128
"""Byte of an SH coefficient that is 0; the steps are 1/128."""
SH_BUCKETS = (2, 4, 4)
"""Neighbouring bytes that become one, by degree, so gzip saves more: 7 bits remain for degree 1, 6 above.

The reference writer's 5 and 4 bits save a quarter of the file and have three times the error (38 dB, not 47,
on `tests.formats.splats.storable`)."""
ROTATION_BITS = (2, 1, 9, 1, 9, 1, 9)
"""The largest part's place in x y z w, then sign and size of the three others."""
TRAILER_BYTES = 1 << 20
"""Extensions may follow the arrays of versions 1 to 3; this module skips up to 1 MiB of them."""


def encode_spz(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, in the order given; `losses` lists what the format cannot hold.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    g = to_be_stored(to_be_stored(gaussians, frame).rotated(head_to_frame("opencv")), "head")
    bits = _fraction_bits(g.means)
    positions = np.rint(g.means.double().numpy() * 2.0**bits).clip(-POSITION_LIMIT, POSITION_LIMIT)
    words = positions.astype("<i4").view(np.uint8).reshape(len(g), 3, 4)
    header = np.array([(MAGIC, VERSION, len(g), g.sh_degree, bits, 0, 0)], HEADER)
    arrays = (
        words[..., :3],  # the three low bytes of a little-endian word
        encode_unit(g.opacities.numpy(), 8),
        encode_unit(g.sh[:, 0].numpy() * COLOR_FACTOR + 0.5, 8),
        np.rint((g.log_scales.numpy() - SCALE_LOW) / SCALE_STEP).clip(0, 255),
        _encode_rotations(canonical_quaternions(g.quats_wxyz).numpy()).view(np.uint8),
        _encode_coefficients(g.sh[:, 1:].numpy()),
    )
    return gzip.compress(
        b"".join([header.tobytes(), *(a.astype(np.uint8).tobytes() for a in arrays)]), mtime=0
    )


def parse_spz(path: Path) -> Stored:
    """What an `.spz` file of version 1 to 4 holds; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    try:
        header, streams = _read_gzip(content) if content[:2] == b"\x1f\x8b" else _read_zstd(content)
        gaussians = _decode(header, streams)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except (zlib.error, OSError) as error:  # OSError: what pyarrow raises for damaged zstd data
        raise InputError(f"cannot read {path}: it is a damaged .spz file ({error})") from error
    left_out = {
        f"SH coefficients above degree {MAX_DEGREE}": header["sh_degree"] > MAX_DEGREE,
        "anti-aliasing filter": header["flags"] & ANTIALIASED,
        "extensions": header["flags"] & EXTENDED,
    }
    for what in (name for name, there in left_out.items() if there):
        log.warning("%s is read without its %s", path, what)
    return Stored(gaussians.rotated(head_to_frame("opencv")), None)


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What the format cannot hold of these Gaussians, one sentence each."""
    rounded = "colours, opacities and sizes are rounded to 8 bits, rotations to 10"
    if gaussians.sh_degree:
        rounded += ", colours that change with the view to 7 and 6"
    found = [f"{rounded}; the file cannot say its frame"]
    log_scales = gaussians.log_scales
    limit_m = POSITION_LIMIT / 2.0 ** _fraction_bits(gaussians.means)
    clipped = {
        f"coordinates beyond ±{limit_m:.3g} m": gaussians.means.abs() > limit_m,
        "sizes outside 45 µm to 380 m": (log_scales < SCALE_LOW)
        | (log_scales > SCALE_LOW + 255 * SCALE_STEP),
        f"SH coefficients beyond ±{0.5 / COLOR_FACTOR:.1f} (the first) or ±1": torch.cat(
            [gaussians.sh[:, :1].abs() > 0.5 / COLOR_FACTOR, gaussians.sh[:, 1:].abs() > 1], 1
        ),
    }
    found += [f"{int(mask.sum())} {what} are clipped" for what, mask in clipped.items() if bool(mask.any())]
    return tuple(found)


def _fraction_bits(means: torch.Tensor) -> int:
    """How many of 24 bits stand after the point of centres (N, 3), at most `FRACTION_BITS`.

    The farthest centre decides where it leaves `LEAST_BITS`, else all but the farthest hundredth: stray ones
    are moved nearer, so that a single one does not make all others coarse.
    """
    reaches = means.detach().double().abs().amax(1).cpu().numpy()
    farthest, most = (_bits_left(float(reach)) for reach in (reaches.max(), np.quantile(reaches, 0.99)))
    return max(farthest, min(LEAST_BITS, most))


def _bits_left(reach_m: float) -> int:
    """Bits after the point that a coordinate of this size leaves."""
    return min(FRACTION_BITS, max(0, math.floor(math.log2(POSITION_LIMIT / max(reach_m, 1.0)))))


def _encode_rotations(quats_wxyz: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Unit quaternions (N, 4) → words (N,), see `ROTATION_BITS`."""
    largest, others = smallest_three(quats_wxyz[:, [1, 2, 3, 0]])
    sizes = encode_unit(np.abs(others) / HALF_SQRT_2, 9)
    fields = [part for i in range(3) for part in ((others[:, i] < 0).astype(np.uint32), sizes[:, i])]
    return pack([largest, *fields], ROTATION_BITS).astype("<u4")


def _decode_rotations(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Words (N,) → unit quaternions wxyz (N, 4), the largest part positive."""
    largest, *fields = unpack(words, ROTATION_BITS)
    signs, sizes = np.stack(fields[0::2], 1), np.stack(fields[1::2], 1)
    others = np.where(signs == 1, -1, 1) * decode_unit(sizes, 9) * HALF_SQRT_2
    return from_smallest_three(largest, others)[:, [3, 0, 1, 2]]


def _encode_coefficients(rest: NDArray[np.float32]) -> NDArray[np.float64]:
    """SH coefficients (N, K − 1, 3) → whole numbers in 0…255, of the same shape."""
    buckets = np.repeat(SH_BUCKETS, (3, 5, 7))[: rest.shape[1], None]
    whole: NDArray[np.float64] = np.rint(rest * 128.0 / buckets) * buckets + SH_ZERO
    return whole.clip(0, 255)


def _stream_sizes(header: np.void) -> list[int]:
    """Bytes of each array, in the file's order; raises `InputError` for a header that is none."""
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


def _floats(values: NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
