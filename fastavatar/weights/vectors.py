"""Reads vectors and point tables that a user gives as `.npy` files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.system import read_npy


def read_vector(path: Path, size: int, what: str) -> NDArray[np.float32]:
    """A vector (`size`,), saved by numpy as (`size`,) or (1, `size`).

    Raises `InputError` when the file is missing, no numpy file, or does not hold `what`.
    """
    return read_array(path, what, ((size,), (1, size))).reshape(size)


def read_array(path: Path, what: str, shapes: tuple[tuple[int, ...], ...]) -> NDArray[np.float32]:
    """Finite numbers saved by numpy, of one of the `shapes`, such as (N,) or (1, N).

    For anything else it raises `InputError`, which names `what` was expected.
    """
    try:
        values = read_npy(path)
    except InputError as error:
        reason = str(error).removeprefix(f"cannot read {path}: ")
        raise InputError(f"cannot read the {what} from {path}: {reason}") from error
    if values.dtype.kind not in "fiu":
        raise InputError(f"{path} must hold a {what} of finite numbers, found {values.dtype}")
    if values.shape not in shapes:
        raise InputError(f"{path} must {_described(what, shapes[0])}, found shape {values.shape}")
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise InputError(f"{path} must hold a {what} of finite numbers, found {values.dtype}")
    return numbers


def _described(what: str, shape: tuple[int, ...]) -> str:
    return f"hold a {what} of {shape[0]} numbers" if len(shape) == 1 else f"have shape {shape}"
