"""The settings of a refinement. `config_reading` reads them from YAML."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from fastavatar.errors import InputError
from fastavatar.losses import LossWeights
from fastavatar.optimise import AdamSettings, Schedule, Stage
from fastavatar.rendering import Compositing

Model = Literal[
    "direct",  # the Gaussians themselves, no network
    "decoder",  # W and the published decoder, whose Gaussians follow
]


GAUSSIANS = ("means", "quats_wxyz", "log_scales", "opacity_logits", "sh")

# The names of `decoder` are those of the published checkpoints, except `w`, which they do not hold.
PARAMETERS: Mapping[Model, tuple[str, ...]] = {
    "direct": ("means", "quats_wxyz", "log_scales", "opacity_logits", "sh0", "shN"),
    "decoder": (
        "w",
        "conditioning_mlp",
        "conditioning_mlp.shared_body",
        *(f"conditioning_mlp.{head}_head" for head in ("scale", "rotation", "color", "opacity", "means")),
        "gaussian_embeddings",
        *(f"base_{name}" for name in ("rotations", "scales", "sh0", "shN", "opacity")),
    ),
}
"""Parameters to which a stage may give a learning rate, by model."""

MAX_COUNT = 1_000_000
"""Upper limit of a number of steps; as many take days on any machine."""
MAX_SPACING_M = 1.0
"""Nodes farther apart than a head is large move it as one."""
_RANGES = {
    "iterations": (1, MAX_COUNT),
    "sh_degree": (0, 3),
    "patience": (0, MAX_COUNT),
    "check_every": (1, MAX_COUNT),
}


@dataclass(frozen=True)
class Config:
    """All settings of a refinement. A YAML file has the last four only for the model they belong to."""

    model: Model
    """What is optimised."""
    iterations: int
    """Number of steps; each renders one view."""
    final_rate: float
    """Factor that all learning rates reach at the last step, by exponential decay."""
    adam: AdamSettings
    loss: LossWeights
    compositing: Compositing
    """How a render is composited over white; see `fastavatar.rendering`."""
    stages: tuple[Stage, ...]
    patience: int
    """Checks of the held-out view without a gain before the run stops; with 0 no view is held out."""
    check_every: int
    """Steps between two checks of the held-out view."""
    node_spacing_m: float = 0.0
    """`direct`: distance in metres between the nodes that positions and sizes follow; 0 for none."""
    anchors: Mapping[str, float] = field(default_factory=dict)
    """`direct`: weight of each parameter's squared change, relative to the loss of one pixel."""
    sh_degree: int = 0
    """`direct`: spherical harmonics are extended to this degree; a higher degree stays as it is."""
    kept: tuple[str, ...] = ()
    """`decoder`: parameters of the Gaussians that keep the values decoded at the start."""

    def overridden(self, **values: object) -> "Config":
        """A copy with those values that are not None. Raises `InputError` for values that no run can use."""
        config = replace(self, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
        check(config, "the configuration")
        return config

    @property
    def schedule(self) -> Schedule:
        """The part of the settings that the optimisation loop needs."""
        return Schedule(
            self.iterations, self.final_rate, self.adam, self.stages, self.patience, self.check_every
        )


def check(config: Config, source: str) -> None:
    """Raise `InputError`, with a message that begins with `source`, for values that no run can use."""
    for problem in (_wrong_name(config), _wrong_number(config), _wrong_weight(config)):
        if problem is not None:
            raise InputError(f"{source}: {problem}")


def check_model(model: object, source: str) -> None:
    """Raise `InputError`, with a message that begins with `source`, unless `model` is the name of a model."""
    if not isinstance(model, str) or model not in PARAMETERS:
        raise InputError(f"{source}: model must be one of {', '.join(PARAMETERS)}, found {model!r}")


def _wrong_name(config: Config) -> str | None:
    """What is wrong with the names of parameters or of the compositing; None where nothing is."""
    known = PARAMETERS[config.model]
    named = {*config.anchors, *(name for stage in config.stages for name in stage.learning_rates)}
    if unknown := sorted(named - {*known}):
        return f"{config.model} has no {', '.join(unknown)}; it has {', '.join(known)}"
    if unknown := sorted({*config.kept} - {*GAUSSIANS}):
        return f"kept names {', '.join(unknown)}; Gaussians have {', '.join(GAUSSIANS)}"
    if config.compositing not in get_args(Compositing):
        return f"compositing must be {' or '.join(get_args(Compositing))}, found {config.compositing!r}"
    return None


def _wrong_number(config: Config) -> str | None:
    """What is wrong with a single number; None where nothing is."""
    for name, (low, high) in _RANGES.items():
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            return f"{name} must be a whole number from {low} to {high:,}, found {reprlib.repr(value)}"
    if not _is_number(config.final_rate) or not 0 < config.final_rate <= 1:
        return f"final_rate must be a number in (0, 1], found {reprlib.repr(config.final_rate)}"
    if not _is_number(config.node_spacing_m) or not 0 <= config.node_spacing_m <= MAX_SPACING_M:
        return (
            f"node_spacing_m must be a number from 0 to {MAX_SPACING_M:g}, "
            f"found {reprlib.repr(config.node_spacing_m)}"
        )
    adam = config.adam
    if not (0 <= adam.beta1 < 1 and 0 <= adam.beta2 < 1 and 0 < adam.epsilon < 1):
        return f"adam's betas must lie in [0, 1) and epsilon in (0, 1), found {vars(adam)}"
    return None


def _wrong_weight(config: Config) -> str | None:
    """What is wrong with weights, learning rates or the shares of the stages; None where nothing is."""
    weights = [*vars(config.loss).values(), *config.anchors.values()]
    rates = [rate for stage in config.stages for rate in stage.learning_rates.values()]
    if not all(0 <= weight < float("inf") for weight in (*weights, *rates)):
        return "weights and learning rates must not be negative"
    if config.loss.l1 + config.loss.ssim <= 0:
        return "loss needs a weight for l1 or ssim"
    shares = [stage.share for stage in config.stages]
    numeric = all(_is_number(share) and 0 < share <= 1 for share in shares)
    if not numeric or abs(sum(shares) - 1) > 1e-6:
        return f"the shares of the stages must be positive and sum to 1, found {reprlib.repr(shares)}"
    return None


def _is_number(value: object) -> bool:
    """Whether a value from YAML is a number; Python takes true and false for 1 and 0."""
    return isinstance(value, int | float) and not isinstance(value, bool)
