"""Vectors that a user gives in a file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.system.arrays import read_npy


def read_vector(path: Path, size: int, what: str) -> NDArray[np.float32]:
    """A vector (`size`,), saved by numpy as (`size`,) or (1, `size`).

    Raises `InputError` when the file is missing, no numpy file, or holds something else than `what`.
    """
    values = read_array(path, what)
    if values.size != size or values.shape[-1:] != (size,):
        raise InputError(f"{path} must hold a {what} of {size} numbers, found shape {values.shape}")
    return values.reshape(size)


def read_array(path: Path, what: str) -> NDArray[np.float32]:
    """Finite numbers saved by numpy, of any shape; raises `InputError` that says `what` was expected."""
    try:
        values = read_npy(path)
    except InputError as error:
        reason = str(error).removeprefix(f"cannot read {path}: ")
        raise InputError(f"cannot read the {what} from {path}: {reason}") from error
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"{path} must hold a {what} of finite numbers, found {values.dtype}")
    return values.astype(np.float32)
