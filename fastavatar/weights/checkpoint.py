"""Reads checkpoints without letting them run code, and writes them."""

import mmap
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.weights import (
    Origin,
    one_line,
    origin_from,
    require_harmless,
    require_plain,
    require_plain_zip,
)

MADE_UP_KEY = "made_up_numbers"
"""Key in a checkpoint (in the metadata of a safetensors file) that marks its numbers as random."""
TRAINED_KEY = "trained_on"
"""Key, likewise, of the `Origin` of a network that was trained with this program."""

_STATE_KEYS = ("model_dict", "model_state_dict")
# Published training runs share the mean head's tensors between two names; no network shares one eight times.
_MOST_SHARED = 8
_HEADROOM_BYTES = 1 << 20


_DAMAGE = (
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    ImportError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    NotImplementedError,
)
"""The exceptions of torch and `zipfile` for files that are damaged or no checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """A network's parameters as a file holds them."""

    path: Path
    """The file."""
    state: dict[str, Tensor]
    """Name → tensor, mapped from the file and read when used."""
    made_up: str | None
    """How random numbers were made; None for trained weights."""
    origin: Origin | None = None
    """What the network was trained on; None for weights that do not state it, such as the published ones."""


class _TrainingConfig:
    """Replaces the settings that a training script pickled; it stores nothing and does nothing."""

    def __setstate__(self, state: object) -> None:
        """Ignore the pickled state."""


def _inert(name: str) -> Callable[..., Any]:
    return type(name, (_TrainingConfig,), {"__module__": "__main__", "__qualname__": name})


_INERT: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    _inert("TrainingConfig"),
    _inert("EncoderTrainingConfig"),
]


def read_checkpoint(path: Path) -> Checkpoint:
    """A published checkpoint (`.pth`) or one with the same names in safetensors.

    Raises `WeightsError` when the file is missing, damaged, no checkpoint, holds anything but data, tensors
    of a kind that no network uses, or tensors that claim more memory than the file has numbers for.
    """
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}")
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pth(path)
    if not found.state:
        raise WeightsError(f"{path} is no checkpoint: it holds no tensors")
    total = 0
    for name, value in found.state.items():
        require_plain(path, name, value)
        total += value.nbytes
    # Names may share one tensor, so the sum may exceed the file's size, but only by a small factor.
    if total > _MOST_SHARED * path.stat().st_size + _HEADROOM_BYTES:
        raise WeightsError(
            f"{path} is refused: its tensors claim {total >> 20} MB, far more than the file has"
        )
    return found


def _read_pth(path: Path) -> Checkpoint:
    holds = _read_pickle(path)
    state = (
        next((holds[key] for key in _STATE_KEYS if key in holds), None)
        if isinstance(holds, Mapping)
        else None
    )
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise WeightsError(
            f"{path} is no FastAvatar checkpoint: it has no {' or '.join(_STATE_KEYS)} of tensors"
        )
    made_up = holds.get(MADE_UP_KEY)
    made_up = one_line(made_up) if isinstance(made_up, str) else None
    return Checkpoint(path, dict(state), made_up, origin_from(holds.get(TRAINED_KEY)))


@contextmanager
def _also_safe(types: list[Any]) -> Iterator[None]:
    """Allow `torch.load` to construct these types, too; torch 2.4 has no context manager for it."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(types)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _read_pickle(path: Path) -> Any:
    try:
        zipped = _is_zip(path)
        if zipped:
            require_plain_zip(path)
        else:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                require_harmless(path, content)
        with _also_safe(_INERT), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about the pickle protocol; such files are refused
            # only the zip format can be mapped into memory
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        wants = re.search(r"GLOBAL (\S+)", str(error))
        if wants:
            raise WeightsError(
                f"{path} is refused: it holds more than data, {one_line(wants[1])}, which could run "
                "code; use the published file, or a safetensors file"
            ) from error
        # torch's own words advise users to switch its protection off
        raise WeightsError(
            f"{path} is refused: it is no checkpoint, is damaged, or holds more than data; fetch it again"
        ) from error
    except _DAMAGE as error:
        raise WeightsError(
            f"{path} is damaged or no checkpoint: {_first_line(error)}; fetch it again"
        ) from error


def _is_zip(path: Path) -> bool:
    """Whether torch treats the file as a zip, which it decides by the first bytes."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
            marks = file.metadata() or {}
    except (SafetensorError, *_DAMAGE) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {_first_line(error)}") from error
    made_up = marks.get(MADE_UP_KEY)
    made_up = None if made_up is None else one_line(made_up)
    return Checkpoint(path, state, made_up, origin_from(marks.get(TRAINED_KEY)))


def write_safetensors(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint's parameters as safetensors, under the same names, to the temporary path `path`.

    Tensors that share memory are written once for each name. Raises `OSError` when `path` cannot be
    written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    marks = {} if checkpoint.made_up is None else {MADE_UP_KEY: checkpoint.made_up}
    if checkpoint.origin is not None:
        marks[TRAINED_KEY] = checkpoint.origin.text()
    seen: set[int] = set()
    tensors: dict[str, Tensor] = {}
    for name, value in checkpoint.state.items():
        memory = value.untyped_storage().data_ptr()
        # safetensors refuses two names for the same memory
        tensors[name] = value.clone(memory_format=torch.contiguous_format) if memory in seen else value
        seen.add(memory)
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, path, marks)
    except SafetensorError as error:
        raise OSError(_first_line(error)) from error


def write_pickle(state: dict[str, Tensor], made_up: str, key: str, path: Path) -> None:
    """Write random parameters, marked as such, in the published format under `key` to a temporary `path`.

    Raises `OSError` when `path` cannot be written.
    """
    _write({key: state, MADE_UP_KEY: made_up}, path)


def write_trained(state: Mapping[str, Tensor], origin: Origin, key: str, path: Path) -> None:
    """Write a trained network's parameters and origin, else as `write_pickle`."""
    _write({key: dict(state), TRAINED_KEY: origin.text()}, path)


def _write(content: dict[str, object], path: Path) -> None:
    with path.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # of torch's writer, which hides what the file raised
            refusal = error.__context__
            raise refusal if isinstance(refusal, OSError) else OSError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return one_line(lines[0]) if lines else type(error).__name__
