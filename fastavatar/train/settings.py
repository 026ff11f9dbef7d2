"""The settings of a training, from YAML: a frozen dataclass for each trainer, every value of which is given.

`load_settings(DecoderSettings, "decoder_small")` reads a preset, `load_settings(…, "my.yaml")` a user's file.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from fastavatar.errors import InputError
from fastavatar.optimise import AdamSettings, Plateau, Schedule, Stage
from fastavatar.system import parse_yaml, text_of

Settings = TypeVar("Settings")

_ADAM = AdamSettings(0.9, 0.999, 1e-8)  # torch's own values, which the published training leaves as they are


@dataclass(frozen=True)
class Pace:
    """How long a training takes and how fast it learns; a part of the settings of every trainer."""

    epochs: int
    """Number of times that every example is used."""
    batch: int
    """Examples a step and process."""
    learning_rates: Mapping[str, float]
    """Adam's rate by module, or by parts of it after dots; a part without a rate has that of the whole."""
    final_rate: float
    """Factor that all rates reach at the last step, by exponential decay; 1 for constant rates."""
    plateau_factor: float
    """Factor on all rates once the mean loss of an epoch has stopped falling; 1 for none."""
    plateau_patience: int
    """Epochs without a lower loss before that."""
    clip: float
    """Largest norm of all gradients together; 0 for no limit."""
    patience: int
    """Validations without a better score before the run stops; 0 for none."""
    log_every: int
    """Steps between two lines of the log."""
    save_every: int
    """Steps between two checkpoints, a multiple of `log_every`."""
    validate_every: int
    """Steps between two validations, a multiple of `log_every`."""
    seed: int
    """Random seed."""

    def schedule(self, examples: int, processes: int, steps: int | None = None) -> Schedule:
        """The schedule for so many examples and processes; `steps`, if given, replaces the epochs.

        Raises `InputError` for numbers that no run can use.
        """
        self._require_sound()
        epoch = max(1, examples // (self.batch * processes))
        return Schedule(
            iterations=steps or self.epochs * epoch,
            final_rate=self.final_rate,
            adam=_ADAM,
            stages=(Stage(1.0, self.learning_rates),),
            patience=self.patience,
            check_every=self.validate_every,
            clip=self.clip,
            plateau=Plateau(self.plateau_factor, self.plateau_patience, epoch)
            if self.plateau_factor < 1
            else None,
        )

    def _require_sound(self) -> None:
        counts = (self.epochs, self.batch, self.log_every, self.save_every, self.validate_every)
        if min(counts) < 1 or min(self.patience, self.plateau_patience, self.seed) < 0:
            raise InputError("pace: epochs, batch and the steps between two events must be at least 1")
        if self.save_every % self.log_every or self.validate_every % self.log_every:
            raise InputError("pace: save_every and validate_every must be multiples of log_every")
        if not (0 < self.final_rate <= 1 and 0 < self.plateau_factor <= 1 and 0 <= self.clip < float("inf")):
            raise InputError("pace: final_rate and plateau_factor must lie in (0, 1], clip at 0 or above")
        if not all(0 <= rate < float("inf") for rate in self.learning_rates.values()):
            raise InputError("pace: learning rates must not be negative")


def train_presets() -> tuple[str, ...]:
    """Names of the presets."""
    folder = files(__package__) / "presets"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_settings(kind: type[Settings], source: str | Path) -> Settings:
    """The preset or YAML file `source` as the dataclass `kind`.

    Raises `UsageError` where it is neither, `InputError`, which names file and key, for wrong content.
    """
    presets = train_presets()
    if str(source) in presets:
        text = (files(__package__) / "presets" / f"{source}.yaml").read_text("utf-8")
    else:
        text = text_of(Path(source), presets)
    made: Settings = _typed(parse_yaml(text, source), kind, str(source))
    return made


def settings_text(settings: Any) -> str:
    """The YAML of a dataclass of settings, which `load_settings` reads."""
    return yaml.safe_dump(_plain(asdict(settings)), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _typed(found: Any, kind: Any, where: str) -> Any:
    """`found` as a value of the type `kind`; raises `InputError` that begins with `where` for another."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if found is None and NoneType in parts:
            return None
        return _typed(found, next(part for part in parts if part is not NoneType), where)
    if is_dataclass(kind):
        return _dataclass(found, kind, where)
    if origin is Literal:
        _require(found in parts, where, f"one of {', '.join(map(str, parts))}", found)
        return found
    if origin is tuple:
        _require(isinstance(found, list), where, "a list", found)
        return tuple(_typed(one, parts[0], where) for one in found)
    if origin is not None:  # a mapping of names
        _require(isinstance(found, dict), where, "names with values", found)
        return {str(name): _typed(one, parts[1], f"{where}.{name}") for name, one in found.items()}
    if kind is float:
        sound = isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < 1e300
        _require(sound, where, "a number (1.0e-4, not 1e-4)", found)
        return float(found)
    words = {int: "a whole number", str: "a text", bool: "true or false"}
    _require(type(found) is kind, where, words[kind], found)
    return found


def _dataclass(found: Any, kind: Any, where: str) -> Any:
    wanted = [field.name for field in fields(kind)]
    _require(isinstance(found, dict), where, f"the keys {', '.join(wanted)}", found)
    if unknown := sorted(str(name) for name in found.keys() - {*wanted}):
        raise InputError(f"{where} has unknown {', '.join(unknown)}; it has {', '.join(wanted)}")
    if missing := [field.name for field in fields(kind) if field.name not in found and _needed(field)]:
        raise InputError(f"{where} lacks {', '.join(missing)}")
    kinds = get_type_hints(kind)
    return kind(
        **{name: _typed(found[name], kinds[name], f"{where}: {name}") for name in wanted & found.keys()}
    )


def _needed(field: Any) -> bool:
    return field.default is field.default_factory  # both are the mark for "no default"


def _require(sound: bool, where: str, what: str, found: Any) -> None:
    if not sound:
        raise InputError(f"{where} must be {what}, found {reprlib.repr(found)}")
