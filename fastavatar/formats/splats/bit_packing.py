"""Encodes numbers with few bits: several in a 32-bit word, or one in a byte."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError

HALF_SQRT_2 = np.sqrt(0.5)
ROTATION_BITS = (2, 10, 10, 10)
SH_REACH = 4.0
"""SH coefficients beyond ± this are clipped: the range that PlayCanvas' format gives their byte."""
COLOR_REACH = 8.0
"""First SH coefficients beyond ± this (colours of −1.8 and 2.8) are clipped in formats whose step depends on
the largest value: otherwise one coefficient of 1e30 would cost all others their precision."""
LARGEST_M = 1e18
"""Largest size in metres in formats without logarithms: its square, which viewers compute, is far below the
limit of float32, 3.4e38."""
OPACITY_STEP = 1 / 255
"""The step of an opacity in one byte. The bytes 0 and 255 are read a quarter of a step inside, which looks
the same and keeps logits finite."""


def pack(fields: Sequence[NDArray[np.integer]], bits: Sequence[int]) -> NDArray[np.uint32]:
    """Words (N,) that hold whole numbers (N,), the first in the highest bits; `bits` add up to 32."""
    words = np.zeros(len(fields[0]), np.uint32)
    for field, width in zip(fields, bits, strict=True):
        words = (words << np.uint32(width)) | field.astype(np.uint32)
    return words


def unpack(words: NDArray[np.uint32], bits: Sequence[int]) -> list[NDArray[np.uint32]]:
    """The whole numbers (N,) of each field in words (N,); the inverse of `pack`."""
    shifts = [sum(bits[place + 1 :]) for place in range(len(bits))]
    return [
        (words >> np.uint32(shift)) & np.uint32((1 << width) - 1)
        for shift, width in zip(shifts, bits, strict=True)
    ]


def encode_unit(values: NDArray[np.floating], bits: int) -> NDArray[np.uint32]:
    """Numbers of any shape, clipped to 0…1, → whole numbers of `bits` bits, rounded."""
    most = (1 << bits) - 1
    whole: NDArray[np.uint32] = np.rint(np.clip(values, 0, 1) * most).astype(np.uint32)
    return whole


def decode_unit(whole: NDArray[np.integer], bits: int) -> NDArray[np.float64]:
    """Whole numbers of `bits` bits, of any shape, → numbers in 0…1."""
    return whole / float((1 << bits) - 1)


def smallest_three(quats_wxyz: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Unit quaternions (N, 4) → the place of the largest part (N,) and the other three parts (N, 3).

    The three parts lie within ±√½, with signs that make the largest part positive. This holds for any order
    of the parts, such as wxyz.
    """
    largest = np.abs(quats_wxyz).argmax(1)
    signed = quats_wxyz * np.where(np.take_along_axis(quats_wxyz, largest[:, None], 1) < 0, -1, 1)
    return largest, signed[np.arange(4) != largest[:, None]].reshape(-1, 3)


def from_smallest_three(largest: NDArray[np.integer], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """The inverse: unit quaternions (N, 4) whose largest part is positive."""
    quats_wxyz = np.empty((len(others), 4))
    place = np.arange(4) == largest[:, None]
    quats_wxyz[place] = np.sqrt(np.clip(1 - (others**2).sum(1), 0, None))
    quats_wxyz[~place] = others.ravel()
    length: NDArray[np.float64] = np.linalg.norm(quats_wxyz, axis=1, keepdims=True)
    return quats_wxyz / length


def encode_rotations(quats_wxyz: NDArray[np.floating]) -> NDArray[np.uint32]:
    """Unit quaternions (N, 4) → words (N,): which part is largest, then the other three in order."""
    largest, others = smallest_three(quats_wxyz)
    return pack([largest, *encode_unit(others * HALF_SQRT_2 + 0.5, ROTATION_BITS[1]).T], ROTATION_BITS)


def decode_rotations(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Words (N,) → unit quaternions wxyz (N, 4), the largest part positive.

    Words that encode no rotation, such as 0, give (0, 0, 0, 0): the squares of three parts of a unit
    quaternion cannot add up to more than 1.
    """
    largest, *whole = unpack(words, ROTATION_BITS)
    others = (decode_unit(np.stack(whole, 1), ROTATION_BITS[1]) - 0.5) / HALF_SQRT_2
    quats_wxyz = from_smallest_three(largest, others)
    quats_wxyz[(others**2).sum(1) > 1] = 0
    return quats_wxyz


def encode_coefficients(sh: NDArray[np.float32]) -> NDArray[np.uint8]:
    """SH coefficients of any shape → bytes, each for a 256th of the range ±4."""
    within = np.clip(sh, -SH_REACH, SH_REACH) / (2 * SH_REACH) + 0.5
    coded: NDArray[np.uint8] = np.floor(within * 256).clip(0, 255).astype(np.uint8)
    return coded


def decode_coefficients(coded: NDArray[np.integer]) -> NDArray[np.float64]:
    """Bytes of any shape → SH coefficients, the middle of the range of each byte."""
    return ((coded + 0.5) / 256 - 0.5) * (2 * SH_REACH)


def decode_opacity_bytes(coded: NDArray[np.integer]) -> NDArray[np.float32]:
    """Opacities as bytes (N,) → logits (N,)."""
    opacities = np.clip(coded * OPACITY_STEP, OPACITY_STEP / 4, 1 - OPACITY_STEP / 4)
    logits: NDArray[np.float32] = np.log(opacities / (1 - opacities)).astype(np.float32)
    return logits


FREE_COUNT = 100_000
"""Number of Gaussians that is allowed in a packed file of any size: about 50 MB when unpacked."""


def require_plausible_count(count: int, size_bytes: int) -> None:
    """Raise `InputError` for a packed file of `size_bytes` that claims more Gaussians than it can hold.

    Packed formats take at least 8 bytes for a Gaussian; this function allows one per byte. Without a limit, a
    file of a few kilobytes that claims a billion Gaussians would fill the memory before the damage shows.
    """
    if count > FREE_COUNT + size_bytes:
        raise InputError(f"it claims {count} Gaussians, more than its {size_bytes} bytes can hold")
