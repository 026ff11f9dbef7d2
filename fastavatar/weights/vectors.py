"""Vectors and point tables that a user gives as `.npy` files."""

import tokenize
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError

_BAD_HEADER = (
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    SyntaxError,
    ArithmeticError,
    RecursionError,
    MemoryError,  # Python's parser raises it for brackets within brackets
    tokenize.TokenError,
)
"""What numpy's reader of `.npy` headers raises for damaged ones."""


def read_vector(path: Path, size: int, what: str) -> NDArray[np.float32]:
    """A vector (`size`,), saved by numpy as (`size`,) or (1, `size`).

    Raises `InputError` when the file is missing, no numpy file, or holds something else than `what`.
    """
    return read_array(path, what, ((size,), (1, size))).reshape(size)


def read_array(path: Path, what: str, shapes: tuple[tuple[int, ...], ...]) -> NDArray[np.float32]:
    """Finite numbers saved by numpy, of one of the `shapes`, such as (N,) or (1, N).

    The shape is read before the numbers, so that a header cannot claim memory. Raises `InputError`, which
    says that `what` was expected, for anything else.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"cannot read the {what} from {path}: it is no regular file")
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about Python's syntax in damaged headers
            shape, dtype = _header(file)
            if dtype.kind not in "fiu":
                raise InputError(f"{path} must hold a {what} of finite numbers, found {dtype}")
            if shape not in shapes:
                raise InputError(f"{path} must {_described(what, shapes[0])}, found shape {shape}")
            file.seek(0)
            # arrays of Python objects would be pickles, which can run code
            values = np.lib.format.read_array(file, allow_pickle=False)
    except _BAD_HEADER as error:
        if isinstance(error, InputError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"cannot read the {what} from {path}: {reason}") from error
    except OSError as error:
        raise InputError(f"cannot read the {what} from {path}: {error.strerror or error}") from error
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise InputError(f"{path} must hold a {what} of finite numbers, found {dtype}")
    return numbers


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format holds no plain numbers")
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _described(what: str, shape: tuple[int, ...]) -> str:
    return f"hold a {what} of {shape[0]} numbers" if len(shape) == 1 else f"have shape {shape}"
