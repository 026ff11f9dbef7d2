"""Gaussians as numpy arrays in one `.npz` file: the five parameters by name, and the frame."""

import io
from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats import FRAMES, Frame, Stored, to_be_stored
from fastavatar.system import read_npz


def encode_npz(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, which hold every number unchanged.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    tensors = to_be_stored(gaussians, frame).tensors()
    arrays = {name: value.numpy() for name, value in tensors.items()}
    buffer = io.BytesIO()
    np.savez(buffer, frame=np.array(frame), allow_pickle=False, **arrays)
    return buffer.getvalue()


def parse_npz(path: Path) -> Stored:
    """The content of a `.npz` file; raises `InputError` when it is missing, damaged or lacks a parameter."""
    names = list(Gaussians.__dataclass_fields__)
    arrays = read_npz(path, [*names, "frame"])
    stated = str(arrays.pop("frame", ""))
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"cannot read {path}: it has no array {', '.join(map(repr, missing))}")
    words = [name for name, array in arrays.items() if array.dtype.kind == "U"]
    if words:
        raise InputError(
            f"cannot read {path}: it is no such .npz file, or a damaged one ({words[0]} holds text)"
        )
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinite and are counted later
        tensors = {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
    try:
        gaussians = Gaussians(**tensors)
    except InputError as error:
        raise InputError(
            f"cannot read {path}: it is no such .npz file, or a damaged one ({error})"
        ) from error
    return Stored(gaussians, next((known for known in FRAMES if known == stated), None))
