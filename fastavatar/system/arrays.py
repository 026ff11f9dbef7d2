"""Reads numpy's files, .npy and .npz, without pickles, and with memory bounded by the file's size."""

import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import InputError
from fastavatar.system import opened, require_regular_file

MOST_BYTES, MOST_EXPANSION = 64 << 20, 50
"""An archive may unpack to this many bytes, or to this many times its own size if that is more.

Random numbers do not shrink; Gaussians of SH degree 0 padded to degree 3 shrink by 5; deflate shrinks zeros
by 1,030.
"""

_DAMAGED = (
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    IndexError,
    OverflowError,
    MemoryError,  # from Python's parser, for a header of thousands of brackets
    RuntimeError,  # encrypted members; also RecursionError and NotImplementedError
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""The exceptions of numpy and zipfile for damaged files, found by changing bytes of good ones."""


def read_npy(path: str | Path) -> NDArray[np.generic]:
    """The array in a .npy file, of any shape.

    Raises `InputError` when the file is missing, damaged or does not hold numbers.
    """
    size = require_regular_file(path)
    try:
        with opened(path) as file:
            return _read_array(file, size)
    except InputError:
        raise
    except _DAMAGED as error:
        raise _damaged(path, ".npy", error) from error


def read_npz(path: str | Path, wanted: Iterable[str] | None = None) -> dict[str, NDArray[np.generic]]:
    """The arrays of a .npz file by name: those in `wanted`, or all. Other arrays are not read.

    Raises `InputError` when the file is missing, damaged, or would unpack to more than the limit.
    """
    size = require_regular_file(path)
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            there = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = {name: there[name] for name in (there if wanted is None else wanted) if name in there}
            unpacked = sum(info.file_size for info in chosen.values())
            if unpacked > max(MOST_BYTES, MOST_EXPANSION * size):
                raise ValueError(f"{size:,} bytes would expand to {unpacked:,}")
            arrays = {}
            for name, info in chosen.items():
                # zipfile decompresses other methods a whole member at a time
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError(
                        f"{name} is packed by method {info.compress_type}, which numpy does not write"
                    )
                with archive.open(info) as member:
                    arrays[name] = _read_array(member, info.file_size)
            return arrays
    except InputError:
        raise
    except _DAMAGED as error:
        raise _damaged(path, ".npz", error) from error


def _read_array(file: IO[bytes], size: int) -> NDArray[np.generic]:
    """The array in a stream of `size` bytes, which starts with numpy's header."""
    version = np.lib.format.read_magic(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about Python's syntax in damaged headers
        if version == (1, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, by_columns, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"version {version} of the format holds names of fields, not numbers")
    if dtype.kind not in "biufU" or not dtype.itemsize:
        raise ValueError(f"it holds {dtype}, which are not numbers")
    # computed with Python's integers, which do not overflow
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed > size:
        raise ValueError(f"shape {_short(shape)} does not fit into {size:,} bytes")
    content = file.read(needed)
    if len(content) < needed or (isinstance(file, zipfile.ZipExtFile) and file.read(1)):
        raise ValueError(f"shape {_short(shape)} takes {needed:,} bytes, not as many as the file holds")
    array = np.frombuffer(content, dtype) if needed else np.zeros(math.prod(shape), dtype)
    return array.reshape(shape, order="F" if by_columns else "C")


def _short(shape: tuple[int, ...]) -> str:
    text = str(shape)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _damaged(path: str | Path, ending: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"cannot read {path}: it is no such {ending} file, or a damaged one ({reason})")
