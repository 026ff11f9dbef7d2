"""Chooses the model and the device where the caller says `auto`. That never starts a download."""

from pathlib import Path
from typing import Any, Literal

from fastavatar.models import ModelName


def choose_model(
    asked: Literal["auto", "facemesh", "fastavatar", "surface", "views"],
    cache_dir: Path | None,
    published_inputs: dict[str, Any],
    surface_checkpoint: Path | None = None,
    views_checkpoint: Path | None = None,
) -> tuple[ModelName, str]:
    """The model to use, and the reason for the log and the summary, without paths of this machine.

    `published_inputs` holds, by name, the given inputs that only the model `fastavatar` takes;
    `surface_checkpoint` is the one of the model `surface`, `views_checkpoint` of `views`, if given.
    """
    from fastavatar.system import cache_folder
    from fastavatar.weights import SIZE, find_checkpoints, find_face_pack, weights_folder

    if asked != "auto":
        return asked, "named by the caller"
    if surface_checkpoint is not None:
        return "surface", "given its checkpoint"
    if views_checkpoint is not None:
        return "views", "given its checkpoint"
    if published_inputs:
        return "fastavatar", f"given {', '.join(published_inputs)}"
    folder = weights_folder(cache_folder(cache_dir))
    if find_checkpoints(folder) is not None:
        if find_face_pack() is not None:
            return "fastavatar", "its weights are in the cache"
        return "facemesh", (
            "the FastAvatar weights are in the cache, InsightFace's pack is not; choosing the model "
            "fastavatar fetches it (for research only)"
        )
    return "facemesh", (
        "the FastAvatar weights are not in the cache; choosing the model fastavatar fetches them "
        f"({SIZE}, for research only)"
    )


def choose_device(asked: str) -> str:
    """The device to use: `auto` is CUDA where this machine has it, else the CPU."""
    if asked != "auto":
        return asked
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
