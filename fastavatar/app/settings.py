"""What a user chooses for a prediction, as `Pipeline` takes it: light to import and to pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fastavatar.errors import UsageError
from fastavatar.results.outputs import Outputs

if TYPE_CHECKING:
    from fastavatar.core import Photo
    from fastavatar.models import ModelName
    from fastavatar.refinement import Config


@dataclass(frozen=True)
class Optimization:
    """A refinement of every avatar on its own photo."""

    preset: str | None = None
    """How, a preset or a YAML file; None takes the model's own."""
    iterations: int | None = None
    """Steps; None leaves them to the preset."""
    seconds: float | None = None
    """Wall-clock limit of the steps."""

    def config(self, model: "ModelName") -> "Config":
        """The configuration with these steps for avatars of `model`.

        Raises `UsageError` for one that refines networks the model has not, and what `load_config` raises.
        """
        from fastavatar.refinement import load_config
        from fastavatar.refinement.run import default_preset

        preset = self.preset or default_preset(views=1, latent=model == "fastavatar")
        config = load_config(preset).overridden(iterations=self.iterations)
        if config.model == "decoder" and model != "fastavatar":
            raise UsageError(f"--config {preset} refines the published networks: it needs --model fastavatar")
        return config


@dataclass(frozen=True)
class Settings:
    """What a user chooses; light to import and to pickle, so that every worker can be told."""

    model: Literal["auto", "facemesh", "fastavatar"] = "auto"
    """`auto` takes the published networks where their weights are at hand."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:N`, or `auto`: CUDA where it is."""
    seed: int = 42
    """Of every random choice."""
    threads: int | None = None
    """CPU threads of the whole process; None stands for all it may use."""
    face: int | None = None
    """Which face, from the left, from 0; None takes the largest."""
    focal_px: float | None = None
    """Focal length in pixels, instead of what the file tells."""
    optimization: Optimization | None = None
    """Refinement on the photo, where asked for."""
    shoulders: bool = True
    """Whether the torso stays."""
    check_identity: bool = False
    """Whether a recogniser, where it is at hand, compares photo and head."""
    outputs: Outputs = field(default_factory=Outputs)
    """What is written."""
    cache_dir: Path | None = None
    """Where weights are kept."""
    offline: bool = False
    """Whether nothing may be fetched."""
    published: Mapping[str, Any] = field(default_factory=dict)
    """Options that only the published networks understand."""

    def for_several(self) -> "Settings":
        """The same for several photos of one person, which only the embedded model takes.

        Raises `UsageError` where the published networks or one face of a photo were asked for.
        """
        if self.model == "fastavatar" or self.published:
            raise UsageError("the published networks take one photo: give one --image, or --model facemesh")
        if self.face is not None:
            raise UsageError("--face is of one photo: of several the largest face of each is taken")
        return replace(self, model="facemesh")


def with_focal_length(photo: "Photo", focal_px: float) -> "Photo":
    """The photo as if its file told this focal length in pixels; raises `UsageError` where no lens has it."""
    from fastavatar.images.exif import CREDIBLE_FOCAL

    least, most = (share * max(photo.width, photo.height) / photo.scale for share in CREDIBLE_FOCAL)
    if not least <= focal_px <= most:
        raise UsageError(
            f"--focal_px {focal_px:g} is no lens's for {photo.width}×{photo.height} px: "
            f"give {least:.0f} to {most:.0f}"
        )
    return replace(photo, focal_px=focal_px * photo.scale)
