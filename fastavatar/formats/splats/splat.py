"""Gaussians as a `.splat` file: 32 bytes each, without a header, so it cannot state its frame.

Source: the reader of antimatter15's viewer, which defined the format.
"""

from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Gaussians, decode_colors, encode_colors, encode_scales
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    LARGEST_M,
    Frame,
    Stored,
    canonical_quaternions,
    decode_opacity_bytes,
    encode_unit,
    to_be_stored,
)
from fastavatar.system import read_bytes

ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat_wxyz", "u1", 4)])
ZERO = 128
"""The byte for 0 in a quaternion, whose parts have steps of 1/128."""


def encode_splat(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, in the order given; `losses` lists what the format cannot hold.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    g = to_be_stored(gaussians, frame)
    rows = np.zeros(len(g), ROW)
    rows["mean"], rows["scale"] = g.means.numpy(), g.scales.clamp(max=LARGEST_M).numpy()
    rgba = torch.cat([decode_colors(g.sh[:, 0]), g.opacities[:, None]], 1)
    rows["rgba"] = encode_unit(rgba.numpy(), 8)
    whole = np.rint(canonical_quaternions(g.quats_wxyz).numpy() * ZERO + ZERO)
    rows["quat_wxyz"] = np.clip(whole, 0, 255)
    return rows.tobytes()


def parse_splat(path: Path) -> Stored:
    """The content of a `.splat` file; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    if not content or len(content) % ROW.itemsize:
        raise InputError(
            f"cannot read {path}: it is no .splat file, or a damaged one "
            f"({len(content)} bytes are no multiple of {ROW.itemsize})"
        )
    rows = np.frombuffer(content, ROW)
    quats = torch.from_numpy(rows["quat_wxyz"].astype(np.float32) / ZERO - 1)
    stored = {
        "means": torch.from_numpy(rows["mean"].astype(np.float32)),
        "quats_wxyz": torch.where(quats.any(1, keepdim=True), canonical_quaternions(quats), quats),
        # a flat Gaussian has a size of 0; in_head_frame clamps the logarithm of −∞
        "log_scales": encode_scales(torch.from_numpy(rows["scale"].astype(np.float32))),
        "opacity_logits": torch.from_numpy(decode_opacity_bytes(rows["rgba"][:, 3])),
        "sh": encode_colors(torch.from_numpy(rows["rgba"][:, :3].astype(np.float32) / 255))[:, None],
    }
    blank = ~np.frombuffer(content, np.uint8).reshape(-1, ROW.itemsize).any(1)
    for value in stored.values():
        value[torch.from_numpy(blank)] = 0  # so that the row is dropped as in other formats
    return Stored(Gaussians(**stored), None)


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What of these Gaussians the format cannot hold, one sentence each."""
    found = ["colours, opacities and rotations are rounded to 8 bits; the file cannot state its frame"]
    if bool(gaussians.sh[:, 1:].any()):
        found.append(f"colours no longer change with the view (SH degree {gaussians.sh_degree} becomes 0)")
    colors = decode_colors(gaussians.sh[:, 0])
    clipped = int(((colors < 0) | (colors > 1)).any(1).sum())
    if clipped:
        found.append(f"{clipped} colours outside 0…1 are clipped")
    huge = int((gaussians.scales > LARGEST_M).any(1).sum())
    if huge:
        found.append(f"{huge} Gaussians larger than {LARGEST_M:g} m are made smaller")
    return tuple(found)
