"""What refinement does: one value of `Config`, read from YAML by `config_reading`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fastavatar.losses.photometric import LossWeights
from fastavatar.optimise.schedule import AdamSettings, Stage
from fastavatar.refinement.config_checks import check
from fastavatar.rendering.picture import Compositing

Model = Literal[
    "direct",  # the Gaussians themselves, no network
    "decoder",  # W and the published decoder, whose Gaussians follow
]


@dataclass(frozen=True)
class Config:
    """One way to refine; the last four belong to one model each and are only written where it is that."""

    model: Model
    """What is optimised."""
    iterations: int
    """Steps; each draws one view."""
    final_rate: float
    """Factor that all learning rates have come down to, exponentially, at the last step."""
    adam: AdamSettings
    loss: LossWeights
    compositing: Compositing
    """How renders are laid over white; see `fastavatar.rendering`."""
    stages: tuple[Stage, ...]
    patience: int
    """Checks of a held-out view without gain before it stops; 0 holds no view out."""
    check_every: int
    """Steps between two such checks."""
    smoothing: int = 0
    """`direct`: diffusion steps over neighbours that moves and sizes go through, so that they go together."""
    anchors: Mapping[str, float] = field(default_factory=dict)
    """`direct`: weight of each parameter's squared distance from its start, against the loss of one pixel."""
    sh_degree: int = 0
    """`direct`: of the spherical harmonics that may be added; lower degrees are kept."""
    kept: tuple[str, ...] = ()
    """`decoder`: parameters of the Gaussians that stay as they are decoded at the start."""

    def overridden(self, **values: object) -> "Config":
        """The same with other values; None changes nothing. Raises `InputError` for impossible ones."""
        config = replace(self, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]
        check(config, "the configuration")
        return config
