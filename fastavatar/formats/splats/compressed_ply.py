"""Gaussians as a compressed PLY, PlayCanvas' format of 16 bytes each, SH apart, which SuperSplat reads.

The element `chunk` holds the bounds of every 256 Gaussians, `vertex` four words for each between these
bounds, `sh` one byte per further coefficient. Source: the format's description in PlayCanvas' documentation.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Gaussians, decode_colors, encode_colors
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    COLOR_REACH,
    REST,
    SH_REACH,
    Frame,
    canonical_quaternions,
    decode_coefficients,
    decode_opacity_bytes,
    decode_rotations,
    decode_unit,
    encode_coefficients,
    encode_rotations,
    encode_unit,
    frame_comments,
    pack,
    to_be_stored,
    unpack,
)
from fastavatar.system import Columns, encode_ply_elements

CHUNK = 256
MOST_LOG_SCALE = 20.0
"""Logarithms of sizes are clipped at ± this, as in PlayCanvas' writer: a larger one would cost its chunk all
precision."""
MOST_STEP = 0.005
"""Share of the whole extent from which a step of centres is visible: a millimetre or two for a head."""
VECTOR_BITS = (11, 10, 11)
COLOR_BITS = (8, 8, 8, 8)

BOUNDS = (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b"))
WORDS = ("packed_position", "packed_rotation", "packed_scale", "packed_color")

Elements = Mapping[str, Columns]


def encode_compressed_ply(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, which `read_ply` can read; `losses` lists what the format cannot hold.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    return encode_ply_elements(to_elements(to_be_stored(gaussians, frame)), frame_comments(frame))


def to_elements(gaussians: Gaussians) -> dict[str, NDArray[np.void]]:
    """The elements `chunk`, `vertex` and, above SH degree 0, `sh` of Gaussians.

    The Gaussians must be float32, on the CPU and finite. They are sorted so that those of a chunk are close
    together, which keeps its bounds tight.
    """
    g = gaussians.subset(torch.from_numpy(in_boxes(gaussians.means.numpy(), CHUNK)))
    log_scales = g.log_scales.clamp(-MOST_LOG_SCALE, MOST_LOG_SCALE)
    colors = decode_colors(g.sh[:, 0].clamp(-COLOR_REACH, COLOR_REACH))
    vectors = [g.means.numpy(), log_scales.numpy(), colors.numpy()]
    starts = np.arange(0, len(g), CHUNK)
    low = [np.minimum.reduceat(vector, starts) for vector in vectors]
    high = [np.maximum.reduceat(vector, starts) for vector in vectors]
    means, scales, rgb = (
        _between(vector, least[_chunk_of(len(g))], most[_chunk_of(len(g))])
        for vector, least, most in zip(vectors, low, high, strict=True)
    )
    packed = [
        _pack_vectors(means),
        encode_rotations(canonical_quaternions(g.quats_wxyz).numpy()),
        _pack_vectors(scales),
        pack([*encode_unit(rgb, 8).T, encode_unit(g.opacities.numpy(), 8)], COLOR_BITS),
    ]
    bounds = [
        (f"{end}_{name}", values[:, place])
        for names, least, most in zip(BOUNDS, low, high, strict=True)
        for end, values in (("min", least), ("max", most))
        for place, name in enumerate(names)
    ]
    elements = {
        "chunk": _columns(bounds, "<f4"),
        "vertex": _columns(list(zip(WORDS, packed, strict=True)), "<u4"),
    }
    if g.sh_degree:
        rest = g.sh[:, 1:].transpose(1, 2).flatten(1).numpy()
        elements["sh"] = _columns(list(zip(REST, encode_coefficients(rest).T, strict=False)), "u1")
    return elements


def from_elements(elements: Elements) -> Gaussians:
    """The Gaussians that the elements of a compressed PLY hold.

    Raises `InputError` when chunks or properties are missing.
    """
    chunk, vertex = elements.get("chunk"), elements["vertex"]
    if chunk is None or len(chunk) * CHUNK < len(vertex):
        raise InputError("it is a compressed PLY without the bounds of all its chunks")
    bounds = chunk.dtype.names or ()
    ends = [[f"{end}_{name}" for name in part for end in ("min", "max")] for part in BOUNDS]
    colored = not set(ends[2]).isdisjoint(bounds)  # early writers state no bounds of colours, 0 and 1
    needed = [*ends[0], *ends[1], *(ends[2] if colored else ())]
    missing = [name for name in WORDS if name not in (vertex.dtype.names or ())]
    missing += [name for name in needed if name not in bounds]
    if missing:
        raise InputError(f"it is a compressed PLY without {', '.join(missing)}")
    words = {name: vertex[name].astype(np.uint32) for name in WORDS}
    *rgb, opacity = unpack(words["packed_color"], COLOR_BITS)
    colors = decode_unit(np.stack(rgb, 1), 8)
    return Gaussians(
        _floats(_within(chunk, BOUNDS[0], _unpack_vectors(words["packed_position"]))),
        _floats(decode_rotations(words["packed_rotation"])),
        _floats(_within(chunk, BOUNDS[1], _unpack_vectors(words["packed_scale"]))),
        torch.from_numpy(decode_opacity_bytes(opacity)),
        torch.cat(
            [
                encode_colors(_floats(_within(chunk, BOUNDS[2], colors) if colored else colors))[:, None],
                _rest(elements.get("sh"), len(vertex)),
            ],
            1,
        ),
    )


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What of these Gaussians the format cannot hold, one sentence each."""
    found = ["centres, sizes, rotations and colours are rounded to 8 to 11 bits, in another order"]
    found += clipped_coefficients(gaussians)
    huge = int((gaussians.log_scales > MOST_LOG_SCALE).any(1).sum())
    if huge:
        found.append(f"{huge} Gaussians larger than {math.exp(MOST_LOG_SCALE):.3g} m are made smaller")
    return (*found, *_moved(gaussians.means.detach().float().cpu().numpy()))


def clipped_coefficients(gaussians: Gaussians) -> tuple[str, ...]:
    """A sentence with the number of SH coefficients that this format and `.sog` clip; none if it is 0."""
    first, others = gaussians.sh[:, :1].abs() > COLOR_REACH, gaussians.sh[:, 1:].abs() > SH_REACH
    clipped = int(first.sum()) + int(others.sum())
    reach = f"±{COLOR_REACH:g} (the first) or ±{SH_REACH:g}"
    return (f"{clipped} SH coefficients beyond {reach} are clipped",) if clipped else ()


def _moved(means: NDArray[np.float32]) -> tuple[str, ...]:
    """A sentence with the number of centres (N, 3) that move visibly because their chunk has a far one."""
    ordered = means[in_boxes(means, CHUNK)].astype(np.float64)
    size_m = float(np.ptp(np.quantile(ordered, (0.01, 0.99), axis=0), axis=0).max())
    starts = np.arange(0, len(ordered), CHUNK)
    span = np.maximum.reduceat(ordered, starts) - np.minimum.reduceat(ordered, starts)
    steps_m = (span / (2.0 ** np.array(VECTOR_BITS) - 1)).max(1)
    coarse = np.diff([*starts, len(ordered)])[steps_m > MOST_STEP * size_m].sum()
    if not coarse or not size_m:
        return ()
    return (f"{coarse} centres are moved by up to {steps_m.max() / 2:.2g} m, as others lie far away",)


def in_boxes(points: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    """An order (N,) of points (N, 3) in which each block of `size` points is close together.

    A box of points is halved along its longest side until `size` are left, as in a k-d tree.
    """
    boxes, done = [np.arange(len(points))], []
    while boxes:
        box = boxes.pop()
        if len(box) <= size:
            done.append(box)
            continue
        with np.errstate(over="ignore"):  # the extent of a box may exceed float32
            longest = np.ptp(points[box], axis=0).argmax()
        ordered = box[points[box, longest].argsort(kind="stable")]
        half = -(-len(box) // size) // 2 * size
        boxes += [ordered[half:], ordered[:half]]
    return np.concatenate(done)


def _chunk_of(count: int) -> NDArray[np.int64]:
    return np.arange(count) // CHUNK


def _between(
    values: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Values (N, 3) as fractions between their bounds, each (N, 3); 0 where the bounds are equal."""
    span = high.astype(np.float64) - low
    return (values.astype(np.float64) - low) / np.where(span > 0, span, 1)


def _within(chunk: NDArray[np.void], names: Sequence[str], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `_between`: values (N, 3) from fractions (N, 3) and the bounds of each chunk."""
    low, high = (
        np.stack([chunk[f"{end}_{name}"].astype(np.float64) for name in names], 1)[_chunk_of(len(parts))]
        for end in ("min", "max")
    )
    with np.errstate(invalid="ignore"):  # bounds that are not finite give NaN rows, which readers drop
        return low + parts * (high - low)


def _pack_vectors(units: NDArray[np.float64]) -> NDArray[np.uint32]:
    columns = zip(units.T, VECTOR_BITS, strict=True)
    return pack([encode_unit(column, bits) for column, bits in columns], VECTOR_BITS)


def _unpack_vectors(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    columns = zip(unpack(words, VECTOR_BITS), VECTOR_BITS, strict=True)
    return np.stack([decode_unit(column, bits) for column, bits in columns], 1)


def _rest(rows: NDArray[np.void] | None, count: int) -> torch.Tensor:
    """(N, K − 1, 3) coefficients above the constant band."""
    if rows is None:
        return torch.zeros(count, 0, 3)
    names = [name for name in REST if name in (rows.dtype.names or ())]
    if len(rows) != count or len(names) not in (9, 24, 45):
        raise InputError(f"it is a compressed PLY with {len(rows)} rows of {len(names)} SH coefficients")
    coded = np.stack([rows[name] for name in names], 1)
    return _floats(decode_coefficients(coded)).reshape(count, 3, -1).transpose(1, 2)


def _floats(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _columns(columns: Sequence[tuple[str, NDArray[np.generic]]], kind: str) -> NDArray[np.void]:
    rows = np.zeros(len(columns[0][1]), [(name, kind) for name, _ in columns])
    for name, values in columns:
        rows[name] = values
    return rows
