"""Gaussians as a `.splat` file: 32 bytes each, nothing before or after; it cannot say its frame.

Source: the reader of antimatter15's viewer, which defined the format.
"""

from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Gaussians, decode_colors, encode_colors, encode_scales
from fastavatar.errors import InputError
from fastavatar.formats.splats.bit_packing import decode_opacity_bytes, encode_unit
from fastavatar.formats.splats.frames import Frame
from fastavatar.formats.splats.ply_layout import canonical_quaternions
from fastavatar.formats.splats.stored import Stored, to_be_stored

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat_wxyz", "u1", 4)])
ZERO = 128
"""The byte of a quaternion's part that is 0; the parts go in steps of 1/128."""
SMALLEST_M = 1e-9


def encode_splat(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, in the order given; `losses` tells what it cannot hold.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    g = to_be_stored(gaussians, frame)
    rows = np.zeros(len(g), ROW)
    rows["mean"], rows["scale"] = g.means.numpy(), g.scales.numpy()
    rgba = torch.cat([decode_colors(g.sh[:, 0]), g.opacities[:, None]], 1)
    rows["rgba"] = encode_unit(rgba.numpy(), 8)
    whole = np.rint(canonical_quaternions(g.quats_wxyz).numpy() * ZERO + ZERO)
    rows["quat_wxyz"] = np.clip(whole, 0, 255)
    return rows.tobytes()


def parse_splat(path: Path) -> Stored:
    """What a `.splat` file holds; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    if not content or len(content) % ROW.itemsize:
        raise InputError(
            f"cannot read {path}: it is no .splat file, or a damaged one "
            f"({len(content)} bytes are no multiple of {ROW.itemsize})"
        )
    rows = np.frombuffer(content, ROW)
    quats_wxyz = torch.from_numpy(rows["quat_wxyz"].astype(np.float32) / ZERO - 1)
    scales = torch.from_numpy(rows["scale"].astype(np.float32))
    scales[scales == 0] = SMALLEST_M  # a flat Gaussian, whose logarithm would be infinite
    gaussians = Gaussians(
        torch.from_numpy(rows["mean"].astype(np.float32)),
        canonical_quaternions(quats_wxyz),
        encode_scales(scales),
        torch.from_numpy(decode_opacity_bytes(rows["rgba"][:, 3])),
        encode_colors(torch.from_numpy(rows["rgba"][:, :3].astype(np.float32) / 255))[:, None],
    )
    return Stored(gaussians, None)


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What the format cannot hold of these Gaussians, one sentence each."""
    found = ["colours, opacities and rotations are rounded to 8 bits; the file cannot say its frame"]
    if bool(gaussians.sh[:, 1:].any()):
        found.append(f"colours no longer change with the view (SH degree {gaussians.sh_degree} becomes 0)")
    colors = decode_colors(gaussians.sh[:, 0])
    clipped = int(((colors < 0) | (colors > 1)).any(1).sum())
    if clipped:
        found.append(f"{clipped} colours outside 0…1 are clipped")
    return tuple(found)


def read_bytes(path: Path) -> bytes:
    """A file's bytes; raises `InputError` in one line."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"cannot read {path}: there is no such file; check the path") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
