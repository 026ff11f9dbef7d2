"""Read a checkpoint without letting it run code."""

import pickle
import re
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

MADE_UP_KEY = "made_up_numbers"
"""Entry of a checkpoint (metadata of a safetensors file) that says its numbers are random."""

_STATE_KEYS = ("model_dict", "model_state_dict")


@dataclass(frozen=True)
class Checkpoint:
    """A network's parameters as they lie in a file."""

    path: Path
    """The file."""
    state: dict[str, Tensor]
    """Name → tensor, mapped from the file and read when used."""
    made_up: str | None
    """How the numbers were made up, None for weights that were trained."""


class _TrainingConfig:
    """Stands in for the settings a training script pickled along: holds nothing and does nothing."""

    def __setstate__(self, state: object) -> None:
        """Forget what the file says."""


def _inert(name: str) -> Callable[..., Any]:
    return type(name, (_TrainingConfig,), {"__module__": "__main__", "__qualname__": name})


_INERT: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    _inert("TrainingConfig"),
    _inert("EncoderTrainingConfig"),
]


def read_checkpoint(path: Path) -> Checkpoint:
    """A published checkpoint (`.pth`) or one with the same names in safetensors.

    Raises `WeightsError` when it is missing, damaged, no checkpoint, or holds anything but data.
    """
    if not path.is_file():
        raise WeightsError(f"there is no checkpoint {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
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
    return Checkpoint(path, dict(state), None if made_up is None else str(made_up))


@contextmanager
def _also_safe(types: list[Any]) -> Iterator[None]:
    """Let `torch.load` make these types too; torch 2.4 has no context manager for it yet."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals(types)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _read_pickle(path: Path) -> Any:
    try:
        with _also_safe(_INERT), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the pickle protocol of files that are refused anyway
            # only the zip format can be mapped into memory
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        wants = re.search(r"GLOBAL (\S+)", str(error))
        if wants:
            raise WeightsError(
                f"{path} is refused: it is not data alone but names {wants[1]}, which could run code; "
                "take the published file, or a safetensors one"
            ) from error
        raise WeightsError(f"{path} is damaged or refused: {_first_line(error)}") from error
    except (RuntimeError, EOFError, OSError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} is damaged or no checkpoint: {_first_line(error)}; fetch it again"
        ) from error


def _read_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
            made_up = (file.metadata() or {}).get(MADE_UP_KEY)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is damaged or no safetensors file: {_first_line(error)}") from error
    return Checkpoint(path, state, made_up)


def write_safetensors(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint's parameters to `path` as safetensors, under the same names."""
    from safetensors.torch import save_file

    marks = {} if checkpoint.made_up is None else {MADE_UP_KEY: checkpoint.made_up}
    partial = path.with_name(f".{path.name}.part")
    save_file({name: value.contiguous() for name, value in checkpoint.state.items()}, partial, marks)
    partial.replace(path)


def write_pickle(state: dict[str, Tensor], made_up: str, key: str, path: Path) -> None:
    """Write made-up parameters to `path` in the published format, under `key`, marked as made up."""
    partial = path.with_name(f".{path.name}.part")
    torch.save({key: state, MADE_UP_KEY: made_up}, partial)
    partial.replace(path)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
