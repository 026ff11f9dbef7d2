"""Checks of a checkpoint's file before torch reads it, and of the tensors in it."""

import mmap
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.errors import WeightsError

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
# The pickle of a training run with its optimiser's state is smaller than 1 MB.
_MOST_PICKLE_BYTES = 4 << 20
# Functions that torch allows although even a small file can make them allocate any amount of memory.
_GREEDY = ("bytearray", "encode")


def require_plain_zip(path: Path) -> None:
    """Raise `WeightsError` for zip files that `torch.save` never writes but `torch.load` accepts.

    A compressed entry would expand in memory, and torch maps its compressed bytes as if they were numbers.
    """
    with zipfile.ZipFile(path) as opened:
        entries = opened.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
            raise WeightsError(f"{path} is refused: it is compressed; save it again with torch.save")
        pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
        claimed = sum(entry.file_size for entry in entries)
        if claimed > path.stat().st_size or sum(entry.file_size for entry in pickles) > _MOST_PICKLE_BYTES:
            raise WeightsError(f"{path} is refused: its entries claim more than the file has")
        for entry in pickles:
            require_harmless(path, opened.read(entry))


def require_harmless(path: Path, pickled: bytes | mmap.mmap) -> None:
    """Raise `WeightsError` for functions that torch allows a file to call but that can fill the memory.

    A search of the bytes suffices, because the only instruction that names a function has its name in plain
    text.
    """
    for name in _GREEDY:
        if pickled.find(b"\n%s\n" % name.encode()) >= 0:
            raise WeightsError(f"{path} is refused: it calls {name}, which no weights need")


def require_plain(path: Path, name: str, value: Tensor) -> None:
    """Raise `WeightsError` unless the tensor, of any shape, is dense, real, in memory and stored in full."""
    if value.layout != torch.strided or value.is_quantized or value.is_nested:
        kind = "sparse, quantised or nested"
    elif value.device.type != "cpu":
        kind = f"on the device {value.device.type!r}"
    elif not (value.is_floating_point() or value.dtype in _INTEGERS):
        kind = str(value.dtype).removeprefix("torch.")
    elif value.nbytes > value.untyped_storage().nbytes():
        kind = "expanded from fewer numbers"
    else:
        return
    raise WeightsError(
        f"{path} is refused: its tensor {one_line(name)} is {kind}; only plain real numbers are read"
    )


def one_line(text: str, most: int = 200) -> str:
    """Text from a file or a library, shortened to one line of a message with at most `most` characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most])
