"""The folder of a run: whose it is, and what is written at the end."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from fastavatar.errors import OverwriteError, UsageError
from fastavatar.optimise import RunResult
from fastavatar.system import replacing
from fastavatar.train import Pace, Trainee, settings_text
from fastavatar.version import __version__

CHECKPOINT, CONFIG, SUMMARY, MODEL = "checkpoint.pt", "config.yaml", "summary.json", "model"


@dataclass(frozen=True)
class RunSettings:
    """What a training needs to know beside the trainee."""

    folder: Path
    """The run's folder."""
    config: Any
    """The trainer's settings, a dataclass that `settings_text` can write."""
    pace: Pace
    """The part of them that the loop needs."""
    device: str = "cpu"
    """`cpu`, `cuda` or `cuda:N`."""
    resume: bool = False
    """Whether to continue the run in the folder, if there is one."""
    steps: int | None = None
    """Number of steps, instead of the epochs of the settings."""
    check: bool = False
    """Whether to make a few steps only, to see that a run would start, and write nothing."""


def require_own(settings: RunSettings) -> None:
    """Raise `OverwriteError` or `UsageError` unless the folder is new or holds the run to be continued."""
    config = settings.folder / CONFIG
    if not config.exists():
        if any(not entry.name.startswith(".") for entry in settings.folder.iterdir()):
            raise OverwriteError(f"{settings.folder} holds other files: choose a new folder for the run")
        return
    if not settings.resume:
        raise OverwriteError(f"{settings.folder} holds a run: continue it, or choose another folder")
    before, now = (
        yaml.safe_load(text) for text in (config.read_text("utf-8"), settings_text(settings.config))
    )
    if before != now:
        odd = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        raise UsageError(f"{config} has other settings than given: {', '.join(odd)} differ")


def write_config(settings: RunSettings) -> None:
    """Write the settings into the run's folder."""
    with replacing(settings.folder / CONFIG) as partial:
        partial.write_text(settings_text(settings.config), "utf-8")


def export_model(trainee: Trainee, folder: Path) -> None:
    """Write the model beside the one before, if there is one, and let it take its place."""
    made, before, target = folder / f".{MODEL}.new", folder / f".{MODEL}.old", folder / MODEL
    for left in (made, before):  # by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    made.mkdir()
    trainee.export(made)
    if target.exists():
        target.rename(before)
    made.rename(target)
    shutil.rmtree(before, ignore_errors=True)


def write_summary(
    trainee: Trainee, settings: RunSettings, result: RunResult, figures: Mapping[str, float]
) -> None:
    """Write what the run was made of and how it went; `figures` are those of the last validation."""
    recent = result.losses[-settings.pace.log_every :]
    stated = {
        "fastavatar": __version__,
        "torch": torch.__version__,
        **trainee.facts(),
        "steps": result.steps,
        "best_step": result.best_step,
        "stopped": result.stopped,
        "last_loss": sum(recent) / max(1, len(recent)),
        "validation": dict(figures),
        "seconds": round(result.seconds, 1),
        "device": settings.device,
        "files": sorted(path.name for path in (settings.folder / MODEL).iterdir()),
    }
    with replacing(settings.folder / SUMMARY) as partial:
        partial.write_text(json.dumps(stated, indent=2) + "\n", "utf-8")
