"""Reads configurations from YAML, where every value has to be given; the presets lie in `presets/`.

`load_config("direct")` reads a preset, `load_config("my.yaml")` a user's file.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastavatar.errors import InputError
from fastavatar.losses import LossWeights
from fastavatar.optimise import AdamSettings, Stage
from fastavatar.refinement import Config, Model, check, check_model
from fastavatar.system import parse_yaml, text_of

_OF_ONE_MODEL: Mapping[Model, set[str]] = {
    "direct": {"node_spacing_m", "anchors", "sh_degree"},
    "decoder": {"kept"},
}


def presets() -> tuple[str, ...]:
    """Names of the presets."""
    folder = files(__package__) / "presets"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_config(source: str | Path) -> Config:
    """The preset or the YAML file named `source`.

    Raises `UsageError` where it is neither, and `InputError`, which names the file and the key, for content
    that is not a configuration.
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
    """The content of the YAML."""
    if str(source) in presets():
        text = (files(__package__) / "presets" / f"{source}.yaml").read_text("utf-8")
    else:
        text = text_of(Path(source), presets())
    return parse_yaml(text, source)


def _wanted(found: Any) -> set[str]:
    """Keys that a configuration of the model named in it must have."""
    model = found.get("model") if isinstance(found, dict) else None
    others = set().union(*(names for one, names in _OF_ONE_MODEL.items() if one != model))
    return {field.name for field in fields(Config)} - others


def _entries(found: Any, wanted: set[str], source: str) -> dict[str, Any]:
    """`found` as a mapping; raises `InputError` unless it has exactly the keys `wanted`."""
    if not isinstance(found, dict):
        raise InputError(f"{source}: expected {', '.join(sorted(wanted))}, found {reprlib.repr(found)}")
    missing, unknown = wanted - found.keys(), {str(key) for key in found.keys() - wanted}
    if missing or unknown:
        problem = (
            f"lacks {', '.join(sorted(missing))}" if missing else f"has unknown {', '.join(sorted(unknown))}"
        )
        raise InputError(f"{source} {problem}")
    return dict(found)


def _block(found: Any, kind: type, source: str) -> dict[str, float]:
    """`found` as numbers for exactly the fields of the dataclass `kind`; raises `InputError` for others."""
    return _numbers(_entries(found, {field.name for field in fields(kind)}, source), source)


def _loss_weights(found: Any, source: str) -> LossWeights:
    """Weights of the loss; a term that is not named gets the weight 0."""
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
        raise InputError(
            f"{source}: expected names with numbers (1.0e-4, not 1e-4), found {reprlib.repr(found)}"
        )
    try:
        return {str(name): float(value) for name, value in found.items()}
    except OverflowError:
        raise InputError(f"{source}: a number is too large for a float") from None
