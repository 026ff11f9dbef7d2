"""What refinement does, read from YAML and checked; the presets lie in `presets/`.

All values are in the files: `load_config("direct")` is one of them, `load_config("my.yaml")` the user's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from fastavatar.errors import InputError, UsageError

Model = Literal[
    "direct",  # the Gaussians themselves, no network
]
PARAMETERS: Mapping[Model, tuple[str, ...]] = {
    "direct": ("means", "quats_wxyz", "log_scales", "opacity_logits", "sh0", "shN"),
}


@dataclass(frozen=True)
class LossWeights:
    """How much each difference between render and photograph counts."""

    l1: float
    """Of the mean absolute difference."""
    ssim: float
    """Of 1 − SSIM."""
    lpips: float
    """Of LPIPS; shared out among the others where its backbone is not at hand."""


@dataclass(frozen=True)
class Stage:
    """A part of the run and what it may change."""

    share: float
    """Of all steps; the shares of the stages sum to 1."""
    learning_rates: Mapping[str, float]
    """Adam's rate at the start of each parameter that may change; the others are kept."""


@dataclass(frozen=True)
class Config:
    """One way to refine."""

    model: Model
    """What is optimised."""
    iterations: int
    """Steps; each draws one view."""
    final_rate: float
    """Factor that all learning rates have come down to, exponentially, at the last step."""
    loss: LossWeights
    stages: tuple[Stage, ...]
    smoothing: int
    """Diffusion steps over neighbours that moves and sizes go through, so that neighbours go together."""
    anchors: Mapping[str, float]
    """Weight of the mean squared distance of each parameter from where it started, where no view sees it."""
    sh_degree: int
    """Of the spherical harmonics that may be added; lower degrees are kept."""
    patience: int
    """Checks of a held-out view without gain before it stops; 0 holds no view out."""
    check_every: int
    """Steps between two such checks."""

    def overridden(self, **values: object) -> "Config":
        """The same with other values; None changes nothing. Raises `InputError` for impossible ones."""
        config = replace(self, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
        _check(config, "the configuration")
        return config


def presets() -> tuple[str, ...]:
    """Names of the presets."""
    folder = files(__package__) / "presets"
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_config(source: str | Path) -> Config:
    """The preset or the YAML file named `source`.

    Raises `UsageError` where it is neither, `InputError` naming the file and the key for what does not fit.
    """
    if str(source) in presets():
        text = (files(__package__) / "presets" / f"{source}.yaml").read_text("utf-8")
    else:
        path = Path(source)
        if not path.is_file():
            raise UsageError(f"{source} is neither a file nor one of the presets {', '.join(presets())}")
        text = path.read_text("utf-8")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{source} is no YAML: {' '.join(str(error).split())}") from error
    values = _entries(found, Config, str(source))
    values["loss"] = LossWeights(**_numbers(_entries(values["loss"], LossWeights, f"{source}: loss"), source))
    if not isinstance(values["stages"], list):
        raise InputError(f"{source}: stages must be a list")
    stages = [_entries(stage, Stage, f"{source}: stages") for stage in values["stages"]]
    values["stages"] = tuple(
        Stage(stage["share"], _numbers(stage["learning_rates"], source)) for stage in stages
    )
    values["anchors"] = _numbers(values["anchors"], source)
    config = Config(**values)
    _check(config, str(source))
    return config


def _entries(found: Any, kind: type, source: str) -> dict[str, Any]:
    """A mapping with exactly the fields of `kind`."""
    wanted = {field.name for field in fields(kind)}
    if not isinstance(found, dict):
        raise InputError(f"{source}: expected {', '.join(sorted(wanted))}, found {found!r}")
    missing, unknown = wanted - found.keys(), {str(key) for key in found.keys() - wanted}
    if missing or unknown:
        problem = (
            f"lacks {', '.join(sorted(missing))}" if missing else f"has unknown {', '.join(sorted(unknown))}"
        )
        raise InputError(f"{source} {problem}")
    return dict(found)


def _numbers(found: Any, source: object) -> dict[str, float]:
    numeric = isinstance(found, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in found.values()
    )
    if not numeric:
        raise InputError(f"{source}: expected names with numbers (1.0e-4, not 1e-4), found {found!r}")
    return {str(name): float(value) for name, value in found.items()}


def _check(config: Config, source: str) -> None:
    """Raise `InputError` for values no run could use."""
    if config.model not in get_args(Model):
        raise InputError(
            f"{source}: model must be one of {', '.join(get_args(Model))}, found {config.model!r}"
        )
    known = PARAMETERS[config.model]
    named = [*config.anchors, *(name for stage in config.stages for name in stage.learning_rates)]
    unknown = sorted({name for name in named if name not in known})
    if unknown:
        raise InputError(f"{source}: {config.model} has no {', '.join(unknown)}; it has {', '.join(known)}")
    for name, low in (
        ("iterations", 1),
        ("smoothing", 0),
        ("sh_degree", 0),
        ("patience", 0),
        ("check_every", 1),
    ):
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise InputError(f"{source}: {name} must be a whole number from {low}, found {value!r}")
    if config.sh_degree > 3:
        raise InputError(f"{source}: sh_degree must be 0 to 3, found {config.sh_degree}")
    if not isinstance(config.final_rate, int | float) or not 0 < config.final_rate <= 1:
        raise InputError(f"{source}: final_rate must lie in (0, 1], found {config.final_rate!r}")
    weights = [config.loss.l1, config.loss.ssim, config.loss.lpips, *config.anchors.values()]
    rates = [rate for stage in config.stages for rate in stage.learning_rates.values()]
    if not all(0 <= weight < float("inf") for weight in (*weights, *rates)):
        raise InputError(f"{source}: weights and learning rates must not be negative")
    if config.loss.l1 + config.loss.ssim <= 0:
        raise InputError(f"{source}: loss needs a weight for l1 or ssim")
    shares = [stage.share for stage in config.stages]
    numeric = all(isinstance(share, int | float) and share > 0 for share in shares)
    if not numeric or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"{source}: the shares of the stages must be positive and sum to 1, found {shares}")
