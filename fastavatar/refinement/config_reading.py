"""Configurations as YAML: every value stands in the file; the presets lie in `presets/`.

`load_config("direct")` is one of them, `load_config("my.yaml")` the user's own.
"""

from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from fastavatar.errors import InputError, UsageError
from fastavatar.losses.photometric import LossWeights
from fastavatar.optimise.schedule import AdamSettings, Stage
from fastavatar.refinement.config import Config, Model, check, check_model

_OF_ONE_MODEL: Mapping[Model, set[str]] = {
    "direct": {"smoothing", "anchors", "sh_degree"},
    "decoder": {"kept"},
}


def presets() -> tuple[str, ...]:
    """Names of the presets."""
    folder = files(__package__) / "presets"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_config(source: str | Path) -> Config:
    """The preset or the YAML file named `source`.

    Raises `UsageError` where it is neither, `InputError` naming the file and the key for what does not fit.
    """
    found = _read(source)
    if isinstance(found, dict) and "model" in found:
        check_model(found["model"], str(source))
    values = _entries(found, _wanted(found), str(source))
    values["adam"] = AdamSettings(**_block(values["adam"], AdamSettings, f"{source}: adam"))
    values["loss"] = _loss_weights(values["loss"], f"{source}: loss")
    values["stages"] = tuple(_stage(stage, source) for stage in _list(values["stages"], "stages", source))
    if "anchors" in values:
        values["anchors"] = _numbers(values["anchors"], str(source))
    if "kept" in values:
        values["kept"] = tuple(str(name) for name in _list(values["kept"], "kept", source))
    config = Config(**values)
    check(config, str(source))
    return config


def _read(source: str | Path) -> Any:
    """What the YAML says."""
    if str(source) in presets():
        text = (files(__package__) / "presets" / f"{source}.yaml").read_text("utf-8")
    else:
        path = Path(source)
        if not path.is_file():
            raise UsageError(f"{source} is neither a file nor one of the presets {', '.join(presets())}")
        text = path.read_text("utf-8")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} is no YAML: {' '.join(str(error).split())}") from error


def _wanted(found: Any) -> set[str]:
    """Keys a configuration of the model that is found must have."""
    model = found.get("model") if isinstance(found, dict) else None
    others = set().union(*(names for one, names in _OF_ONE_MODEL.items() if one != model))
    return {field.name for field in fields(Config)} - others


def _entries(found: Any, wanted: set[str], source: str) -> dict[str, Any]:
    """A mapping with exactly the keys `wanted`."""
    if not isinstance(found, dict):
        raise InputError(f"{source}: expected {', '.join(sorted(wanted))}, found {found!r}")
    missing, unknown = wanted - found.keys(), {str(key) for key in found.keys() - wanted}
    if missing or unknown:
        problem = (
            f"lacks {', '.join(sorted(missing))}" if missing else f"has unknown {', '.join(sorted(unknown))}"
        )
        raise InputError(f"{source} {problem}")
    return dict(found)


def _block(found: Any, kind: type, source: str) -> dict[str, float]:
    """Numbers for exactly the fields of `kind`."""
    return _numbers(_entries(found, {field.name for field in fields(kind)}, source), source)


def _loss_weights(found: Any, source: str) -> LossWeights:
    """Weights by the names of the loss's terms; a term that is not named has none."""
    given = _numbers(found, source)
    known = [field.name for field in fields(LossWeights)]
    if unknown := sorted(given.keys() - {*known}):
        raise InputError(f"{source} has unknown {', '.join(unknown)}; its terms are {', '.join(known)}")
    return LossWeights(**given)


def _stage(found: Any, source: object) -> Stage:
    stage = _entries(found, {field.name for field in fields(Stage)}, f"{source}: stages")
    return Stage(stage["share"], _numbers(stage["learning_rates"], source))


def _list(found: Any, name: str, source: object) -> list[Any]:
    if not isinstance(found, list):
        raise InputError(f"{source}: {name} must be a list")
    return found


def _numbers(found: Any, source: object) -> dict[str, float]:
    numeric = isinstance(found, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in found.values()
    )
    if not numeric:
        raise InputError(f"{source}: expected names with numbers (1.0e-4, not 1e-4), found {found!r}")
    return {str(name): float(value) for name, value in found.items()}
