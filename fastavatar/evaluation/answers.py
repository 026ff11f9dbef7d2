"""What a method is told and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from fastavatar.captures import Capture
from fastavatar.core import Gaussians
from fastavatar.rendering import Compositing


@dataclass(frozen=True)
class Options:
    """What every method is told beside the capture."""

    device: str = "cpu"
    """Where to compute."""
    seed: int = 0
    """Of every random choice."""
    iterations: int | None = None
    """Optimisation steps; None leaves them to the method, 0 asks for its answer before any."""
    config: str | None = None
    """How to optimise, a preset or a YAML file; None leaves it to the method."""
    cache_dir: Path | None = None
    """Where weights are kept."""
    offline: bool = False
    """Whether nothing may be fetched."""
    published: Mapping[str, Any] = field(default_factory=dict)
    """Options that only the published networks understand."""


@dataclass(frozen=True)
class Answer:
    """What a method believes: Gaussians to be rendered, or an image for every view."""

    seconds: float
    """Wall-clock time from the inputs to the answer, without loading networks."""
    gaussians: Gaussians | None = None
    """In the capture's frame; None where `images` is given."""
    images: tuple[Tensor, ...] | None = None
    """One (H, W, 3) in 0…1 for each view of the capture; None where `gaussians` is given."""
    compositing: Compositing = "classic"
    """How the Gaussians' colours meet the background; see `fastavatar.rendering`."""
    warnings: tuple[str, ...] = ()
    """What a reader of the figures should know, one sentence each."""
    extra: Mapping[str, object] = field(default_factory=dict)
    """Further facts for the JSON."""


Method = Callable[[Capture, Sequence[int], Options], Answer]
