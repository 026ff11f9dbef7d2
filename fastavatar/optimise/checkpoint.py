"""The state of a run in a file, from which a stopped run can continue."""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.system import replacing

_FORMAT = "fastavatar run 2"


@dataclass(frozen=True)
class CheckpointFile:
    """The file of a run's state, and how often it is written."""

    path: Path
    every: int
    """Steps between two writes."""
    writes: bool = True
    """Whether this process writes it, or only continues from it."""

    def due(self, step: int) -> bool:
        """Whether the state should be written after `step` steps."""
        return step % self.every == 0


def write_checkpoint(checkpoint: CheckpointFile, state: Mapping[str, Any]) -> None:
    """Write `state`, tensors, numbers and containers of them, to the file as a whole or not at all."""
    if not checkpoint.writes:
        return
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, **state}, buffer)
    with replacing(checkpoint.path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_checkpoint(checkpoint: CheckpointFile, parameters: Mapping[str, Tensor]) -> dict[str, Any]:
    """The state in the file; no code in it is run.

    Raises `InputError` for a damaged file and for a state whose parameters differ from `parameters` in name
    or shape.
    """
    path = checkpoint.path
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"cannot read the checkpoint {path}: {reason}") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise InputError(f"{path} is no checkpoint of a run, or one of another version")
    found = {name: tuple(value.shape) for name, value in state["parameters"].items()}
    wanted = {name: tuple(value.shape) for name, value in parameters.items()}
    if found != wanted:
        odd = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise InputError(f"{path} is a checkpoint of another model: {', '.join(odd[:3])} differ")
    return state
