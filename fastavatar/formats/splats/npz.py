"""Gaussians as numpy arrays in one `.npz` file: the five parameters by name, and the frame."""

import io
import zipfile
from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats.frames import FRAMES, Frame
from fastavatar.formats.splats.splat import read_bytes
from fastavatar.formats.splats.stored import Stored, to_be_stored


def encode_npz(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes: nothing is lost.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    tensors = to_be_stored(gaussians, frame).tensors()
    arrays = {name: value.numpy() for name, value in tensors.items()}
    buffer = io.BytesIO()
    np.savez(buffer, frame=np.array(frame), allow_pickle=False, **arrays)
    return buffer.getvalue()


def parse_npz(path: Path) -> Stored:
    """What such a file holds; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        stated = str(arrays.pop("frame", ""))
        tensors = {name: torch.from_numpy(array).float() for name, array in arrays.items()}
        gaussians = Gaussians(**{name: tensors[name] for name in Gaussians.__dataclass_fields__})
    except KeyError as error:
        raise InputError(f"cannot read {path}: it has no array {error}") from error
    except (ValueError, TypeError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"cannot read {path}: it is no such .npz file, or a damaged one ({reason})"
        ) from error
    if not len(gaussians):
        raise InputError(f"cannot read {path}: it holds no Gaussians")
    return Stored(gaussians, next((known for known in FRAMES if known == stated), None))
