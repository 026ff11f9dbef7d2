"""The choices of a user for predictions, as `Pipeline` takes them."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fastavatar.errors import UsageError
from fastavatar.models.published import PublishedOptions
from fastavatar.results import Outputs

if TYPE_CHECKING:
    from fastavatar.core import Photo
    from fastavatar.models import ModelName
    from fastavatar.refinement import Config


@dataclass(frozen=True)
class Optimization:
    """How every avatar is refined on its own photo."""

    preset: str | None = None
    """A preset's name or a YAML file; None takes the model's own preset."""
    iterations: int | None = None
    """Number of steps; None takes the preset's."""
    seconds: float | None = None
    """Wall-clock limit of the steps."""

    def config(self, model: "ModelName") -> "Config":
        """The configuration with these steps for avatars of `model`.

        Raises `UsageError` for a configuration that refines networks which the model does not have, and what
        `load_config` raises.
        """
        from fastavatar.refinement import default_preset, load_config

        preset = self.preset or default_preset(views=1, latent=model == "fastavatar", fitted=True)
        config = load_config(preset).overridden(iterations=self.iterations)
        if config.model == "decoder" and model != "fastavatar":
            raise UsageError(
                f"the configuration {preset} refines the published networks: it needs the model fastavatar"
            )
        return config


@dataclass(frozen=True)
class Settings:
    """The choices of a user: light to import and to pickle, so that they can be sent to every worker."""

    model: Literal["auto", "facemesh", "fastavatar", "surface", "views"] = "auto"
    """`auto` takes the model whose checkpoint is given, else the published networks if the cache has them."""
    model_reason: str = "named by the caller"
    """Why `model` is named, for the log and the summary; not used for `auto`."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:N`, `mps`, or `auto`: CUDA if there is a device, else the CPU."""
    seed: int = 42
    """Random seed."""
    threads: int | None = None
    """CPU threads of the whole process; None stands for all it may use."""
    face: int | None = None
    """Index of the face, counted from the left, from 0; None takes the largest."""
    focal_px: float | None = None
    """Focal length in pixels, instead of what the file states."""
    optimization: Optimization | None = None
    """Refinement on the photo; None leaves the avatar as predicted."""
    shoulders: bool = True
    """Whether the torso stays."""
    check_identity: bool = False
    """Whether InsightFace's recogniser, if its pack is installed, compares photo and head."""
    outputs: Outputs = field(default_factory=Outputs)
    """Which files are written."""
    cache_dir: Path | None = None
    """Folder of the weights; None takes the user's own."""
    offline: bool = False
    """Whether downloads are forbidden."""
    published: PublishedOptions = field(default_factory=PublishedOptions)
    """Options of the published networks."""
    surface_checkpoint: Path | None = None
    """Network of the model `surface`."""
    views_checkpoint: Path | None = None
    """Network of the model `views`."""

    @property
    def takes_one_photo(self) -> bool:
        """Whether a model is named, or a checkpoint given, that makes a head of one photo only."""
        own = self.surface_checkpoint is not None or bool(self.published)
        return own or self.model in ("fastavatar", "surface")

    def files(self) -> list[Path]:
        """The files among the choices, which no result may overwrite."""
        own = [one for one in (self.surface_checkpoint, self.views_checkpoint) if one is not None]
        return [*self.published.files(), *own]

    def of_results(self) -> dict[str, Any]:
        """The choices that change the results, JSON-ready; model and checkpoint only where one was named.

        Device, threads and folders do not change the results and are left out. Files appear by name only.
        """
        how = self.optimization and asdict(self.optimization)
        chosen = {
            "model": None if self.model == "auto" else self.model,
            "seed": self.seed,
            "face": self.face,
            "focal_px": self.focal_px,
            "optimization": how and {**how, "preset": how["preset"] and Path(how["preset"]).name},
            "shoulders": self.shoulders,
            "check_identity": self.check_identity,
            **asdict(self.outputs),
            "background": list(self.outputs.background),
            "published": {
                name: value.name if isinstance(value, Path) else value
                for name, value in self.published.given().items()
            },
            "surface_checkpoint": self.surface_checkpoint and self.surface_checkpoint.name,
            "views_checkpoint": self.views_checkpoint and self.views_checkpoint.name,
        }
        unnamed = ("model", "surface_checkpoint", "views_checkpoint")
        return {name: value for name, value in chosen.items() if name not in unnamed or value is not None}

    def for_several(self) -> "Settings":
        """These settings for several photos of one person, which the embedded model and `views` take.

        Raises `UsageError` for settings that ask for the published networks or for a certain face.
        """
        if self.takes_one_photo:
            own = self.model == "surface" or self.surface_checkpoint is not None
            which = "the model surface takes" if own else "the published networks take"
            raise UsageError(f"{which} one photo: give one, or choose the model facemesh")
        if self.face is not None:
            raise UsageError("a face can be chosen in one photo only: in several the largest is taken")
        if self.model in ("facemesh", "views") or self.views_checkpoint is not None:
            return self
        return replace(
            self, model="facemesh", model_reason="several photos of one person: only it takes them"
        )


def with_focal_length(photo: "Photo", focal_px: float) -> "Photo":
    """The photo as if its file stated this focal length in pixels.

    Raises `UsageError` for a focal length that no lens has: outside `CREDIBLE_FOCAL` of the longer side.
    """
    from fastavatar.images import CREDIBLE_FOCAL

    least, most = (share * max(photo.width, photo.height) / photo.scale for share in CREDIBLE_FOCAL)
    if not least <= focal_px <= most:
        raise UsageError(
            f"no lens has a focal length of {focal_px:g} px for {photo.width}×{photo.height} px: "
            f"give {least:.0f} to {most:.0f}"
        )
    return replace(photo, focal_px=focal_px * photo.scale)
