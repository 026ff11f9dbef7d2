"""Gaussians as an `.spz` file, Niantic's packed format: 20 bytes each and a byte per further SH coefficient.

A file is a header of 16 bytes and then one array per attribute, in this order:

    versions 1 to 3    gzip( header, positions, opacities, colours, sizes, rotations, SH )
    version 4          header, 16 more bytes, table of sizes, zstd( positions ), zstd( opacities ), ...

Version 1 has half-precision positions; versions 1 and 2 omit the w of a rotation. `spz_reading` reads all
four versions; this module writes version 3, the newest that most viewers read.

The axes of the format are right, up, back; those of a PLY count as right, down, forward. As with other
converters, a file in some frame therefore holds a PLY in that frame after half a turn about x.
Source: README and `load-spz.h` of github.com/nianticlabs/spz.
"""

import gzip
import math

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Gaussians
from fastavatar.formats.splats import (
    HALF_SQRT_2,
    Frame,
    canonical_quaternions,
    encode_unit,
    head_to_frame,
    pack,
    smallest_three,
    to_be_stored,
)

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

POSITION_LIMIT = (1 << 23) - 1
FRACTION_BITS = 16
"""Fraction bits of coordinates: steps of 15 µm. The reference writer's 12 bits, 0.24 mm, are too coarse."""
LEAST_BITS = 12
"""Fraction bits, with steps of 0.24 mm, that are kept even if a few stray centres need more range."""
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
"""Bits of a rotation: index of the largest part in x y z w, then sign and size of the other three."""


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


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What of these Gaussians the format cannot hold, one sentence each."""
    rounded = "colours, opacities and sizes are rounded to 8 bits, rotations to 10"
    if gaussians.sh_degree:
        rounded += ", colours that change with the view to 7 and 6"
    found = [f"{rounded}; the file cannot state its frame"]
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
    """How many of the 24 bits of centres (N, 3) are fraction bits, at most `FRACTION_BITS`.

    The farthest centre decides if it leaves `LEAST_BITS`; otherwise the farthest hundredth is ignored and
    clipped, so that a single stray centre does not make all others coarse.
    """
    reaches = means.detach().double().abs().amax(1).cpu().numpy()
    farthest, most = (_bits_left(float(reach)) for reach in (reaches.max(), np.quantile(reaches, 0.99)))
    return max(farthest, min(LEAST_BITS, most))


def _bits_left(reach_m: float) -> int:
    """Fraction bits that a coordinate of this size leaves."""
    return min(FRACTION_BITS, max(0, math.floor(math.log2(POSITION_LIMIT / max(reach_m, 1.0)))))


def _encode_rotations(quats_wxyz: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Unit quaternions (N, 4) → words (N,), see `ROTATION_BITS`."""
    largest, others = smallest_three(quats_wxyz[:, [1, 2, 3, 0]])
    sizes = encode_unit(np.abs(others) / HALF_SQRT_2, 9)
    fields = [part for i in range(3) for part in ((others[:, i] < 0).astype(np.uint32), sizes[:, i])]
    return pack([largest, *fields], ROTATION_BITS).astype("<u4")


def _encode_coefficients(rest: NDArray[np.float32]) -> NDArray[np.float64]:
    """SH coefficients (N, K − 1, 3) → whole numbers in 0…255, of the same shape."""
    buckets = np.repeat(SH_BUCKETS, (3, 5, 7))[: rest.shape[1], None]
    whole: NDArray[np.float64] = np.rint(rest * 128.0 / buckets) * buckets + SH_ZERO
    return whole.clip(0, 255)
