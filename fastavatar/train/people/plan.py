"""A folder of captures: which there will be, which are still to be made, and with which settings."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastavatar.errors import InputError, OverwriteError, UsageError
from fastavatar.formats import holds_mesh
from fastavatar.system import replacing
from fastavatar.train.people import TERMS, MeshTask, PersonTask, PictureSettings, is_capture

SETTINGS = "dataset.json"
"""The file that names a folder's settings, so that a run that is continued cannot mix two kinds."""

_FREE = "People who do not exist, made by fastavatar from public-domain shapes: free for any use."


@dataclass(frozen=True)
class DatasetPlan:
    """A set of captures."""

    folder: Path
    count: int = 0
    """Number of people."""
    expressions: int = 1
    """Captures of each person, each with another expression, light and cameras."""
    meshes: Path | None = None
    """A folder of meshes, which are photographed instead of people."""
    seed: int = 0
    settings: PictureSettings = field(default_factory=PictureSettings)


def tasks_of(plan: DatasetPlan) -> list[PersonTask] | list[MeshTask]:
    """One task for each capture of the plan, finished ones included.

    People have folders `NNNN`, with several expressions `NNNN_EE`; meshes have their files' names. Raises
    `InputError` where there are no meshes, `UsageError` where two have one name.
    """
    if plan.meshes is None:
        return [
            PersonTask(plan.folder / _name(plan, number, index), plan.seed, number, index, plan.settings)
            for number in range(plan.count)
            for index in range(plan.expressions)
        ]
    paths = _meshes(plan.meshes)
    return [
        MeshTask(plan.folder / path.stem, path, plan.seed, number, plan.settings)
        for number, path in enumerate(paths)
    ]


def open_dataset(plan: DatasetPlan) -> None:
    """Note the plan's settings and the terms in its folder, or compare them with settings noted there.

    Raises `UsageError` for other settings and `OverwriteError` for a folder of other things.
    """
    wanted, note = _settings(plan), plan.folder / SETTINGS
    if note.is_file():
        _require_equal(note, wanted)
    elif plan.folder.exists() and not plan.folder.is_dir():
        raise UsageError(f"cannot write to {plan.folder}: it is a file; give a folder")
    elif plan.folder.is_dir() and any(plan.folder.iterdir()):
        raise OverwriteError(f"{plan.folder} holds other files: choose another folder")
    else:
        _write(note, json.dumps(wanted, indent=1))
    terms = plan.folder / TERMS
    if plan.meshes is None and not terms.is_file():
        of_light = " The light is from HDR files, whose terms hold, too." if plan.settings.light else ""
        _write(terms, _FREE + of_light)


def _require_equal(note: Path, wanted: dict[str, Any]) -> None:
    """Raise `UsageError` where the settings noted are not those that are wanted."""
    try:
        found = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {note}: {error}") from error
    if found != wanted:
        raise UsageError(
            f"{note.parent} was begun with other settings ({_difference(found, wanted)}): "
            "use those, or another folder"
        )


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text + "\n", "utf-8")


def unfinished(tasks: Sequence[PersonTask] | Sequence[MeshTask]) -> list[PersonTask | MeshTask]:
    """The tasks whose captures are not there yet."""
    return [task for task in tasks if not is_capture(task.folder)]


def _name(plan: DatasetPlan, number: int, expression: int) -> str:
    return f"{number:04d}" if plan.expressions == 1 else f"{number:04d}_{expression:02d}"


def _settings(plan: DatasetPlan) -> dict[str, Any]:
    """All that decides about a capture, but not how many there are."""
    settings = asdict(plan.settings)
    settings["light"] = [path.name for path in plan.settings.light]
    of_people = {"expressions": plan.expressions} if plan.meshes is None else {"meshes": str(plan.meshes)}
    return dict(json.loads(json.dumps({"seed": plan.seed, **of_people, **settings})))  # tuples become lists


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return "its settings cannot be read"
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    return ", ".join(f"{name} {found.get(name)}, now {wanted.get(name)}" for name in names)


def _meshes(folder: Path) -> list[Path]:
    found = (
        sorted(path for path in folder.iterdir() if path.is_file() and holds_mesh(path))
        if folder.is_dir()
        else []
    )
    if not found:
        raise InputError(f"{folder} holds no meshes (.obj, .glb, .ply)")
    names: dict[str, Path] = {}
    for path in found:
        if (other := names.setdefault(path.stem, path)) is not path:
            raise UsageError(f"{path.name} and {other.name} would become one capture: rename one")
    return found
