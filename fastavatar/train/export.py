"""Writes a trained network in the layout of the published checkpoints, and as safetensors."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fastavatar.losses import Loss
from fastavatar.weights import Checkpoint, Origin, write_safetensors, write_trained


def write_network(folder: Path, stem: str, key: str, state: Mapping[str, Tensor], origin: Origin) -> None:
    """Write `STEM.pth`, with the parameters under `key`, and `STEM.safetensors` into `folder`.

    Without the package safetensors only the first is written. Raises `OSError` where that fails.
    """
    values = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    path = folder / f"{stem}.pth"
    write_trained(values, origin, key, path)
    try:
        safe = folder / f"{stem}.safetensors"
        write_safetensors(Checkpoint(path, values, None, origin), safe)
        safe.chmod(path.stat().st_mode)  # that library leaves its files to their owner
    except ModuleNotFoundError:
        return


def loss_text(loss: Loss) -> str:
    """The terms of a loss with their weights, what takes whose place, and which are missing."""
    used = ", ".join(f"{getattr(loss.weights, name):.3g} {name}" for name in loss.terms)
    instead = [getattr(term, "instead", None) for term in loss.terms.values()]
    return "; ".join([used, *filter(None, instead), *(f"without {name}" for name in loss.missing)])
