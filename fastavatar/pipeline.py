"""From a photo to a folder of results, as `predict` and everything that takes many photos goes about it.

file ─ load_photo ─▶ Photo ─ predictor ─▶ Avatar ─ (refine) ─▶ Avatar ─ save ─▶ splats.ply, preview.png, …
       └─────────────────────────── Pipeline, told what to do by Settings ──────────────────────────┘
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fastavatar.errors import UsageError
from fastavatar.export.outputs import Outputs

if TYPE_CHECKING:
    from fastavatar.avatar import Avatar
    from fastavatar.images.photo import Photo
    from fastavatar.models import ModelName
    from fastavatar.refine import Config
    from fastavatar.refine.loop import Progress

log = logging.getLogger(__name__)


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
        from fastavatar.refine import load_config
        from fastavatar.refine.run import default_preset

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


class Pipeline:
    """A loaded model and the settings that go with it; one after another, any number of photos."""

    def __init__(self, settings: Settings) -> None:
        """Choose and load the model; raises what `load_predictor` raises."""
        from fastavatar.models import load_predictor
        from fastavatar.models.choice import choose_device, choose_model
        from fastavatar.render.threads import limit_threads

        limit_threads(settings.threads)
        self.settings = settings
        self.model, self.model_reason = choose_model(
            settings.model, settings.cache_dir, dict(settings.published)
        )
        log.info("model %s: %s", self.model, self.model_reason)
        self.device = choose_device(settings.device)
        self.refinement = _refinement(settings, self.model)
        options = dict(settings.published)
        if self.model == "fastavatar":
            options |= {"cache_dir": settings.cache_dir, "offline": settings.offline}
        self._predictor = load_predictor(self.model, self.device, seed=settings.seed, **options)

    def predict(self, photo: "Photo", on_step: "Callable[[Progress], None] | None" = None) -> "Avatar":
        """The avatar of `photo`; `on_step` hears every step of a refinement.

        Raises what the model raises, `UsageError` for a focal length no lens has.
        """
        avatar = self._predictor.predict(self._told(photo), self.settings.face)
        return replace(self._finished(avatar, on_step), photo=photo)  # of the focal length its file tells

    def predict_several(
        self, photos: "Sequence[Photo]", on_step: "Callable[[Progress], None] | None" = None
    ) -> "Avatar":
        """One avatar of the person whom all `photos` show, as `predict`; of one photo the same.

        Raises what `predict` raises, `UsageError` where the model takes one photo only.
        """
        if len(photos) == 1:
            return self.predict(photos[0], on_step)
        from fastavatar.models.facemesh.predictor import FaceMeshPredictor

        if not isinstance(self._predictor, FaceMeshPredictor):
            raise UsageError(f"the model {self.model} takes one photo")
        avatar = self._predictor.predict_several([self._told(photo) for photo in photos])
        return replace(self._finished(avatar, on_step), photo=photos[0])

    def _told(self, photo: "Photo") -> "Photo":
        """The photo with the focal length that the user gave, where one was."""
        focal_px = self.settings.focal_px
        return photo if focal_px is None else with_focal_length(photo, focal_px)

    def _finished(self, avatar: "Avatar", on_step: "Callable[[Progress], None] | None") -> "Avatar":
        """The avatar refined where asked for, its warnings told."""
        if self.settings.optimization is not None:
            avatar = self._refined(avatar, self.settings.optimization.seconds, on_step)
        if not self.settings.shoulders:
            from fastavatar.shoulders import without_shoulders

            avatar = replace(avatar, gaussians=without_shoulders(avatar.gaussians), latent=None)
        if self.settings.check_identity:
            avatar = self._identity_checked(avatar)
        for warning in avatar.provenance.warnings:
            log.warning("%s", warning)
        return avatar

    def _identity_checked(self, avatar: "Avatar") -> "Avatar":
        from fastavatar.evaluate.identity import check_identity
        from fastavatar.weights.face_pack import DEFAULT_PACK, find_face_pack

        name = self.settings.published.get("face_pack") or DEFAULT_PACK
        pack = find_face_pack(name)
        if pack is not None:
            return check_identity(avatar, pack, self.device)
        missing = (
            f"no likeness was measured: InsightFace's pack {name} is not here (for non-commercial research "
            "only; fastavatar weights fetch gets it)"
        )
        made = avatar.provenance
        return replace(avatar, provenance=replace(made, warnings=(*made.warnings, missing)))

    def predict_many(self, photos: "Sequence[Photo]") -> "list[Avatar | Exception]":
        """The avatar of each photo, or what its prediction raised: one bad photo leaves the others be."""
        from fastavatar.avatar import Avatar
        from fastavatar.models import TakesMany

        model, face = self._predictor, self.settings.face
        plain = self.settings.optimization is None and self.settings.focal_px is None
        if len(photos) > 1 and plain and isinstance(model, TakesMany):
            together = model.predict_many(photos, face)
            return [self._finished(one, None) if isinstance(one, Avatar) else one for one in together]
        found: list[Avatar | Exception] = []
        for photo in photos:
            try:
                found.append(self.predict(photo))
            except Exception as error:  # whatever it is, the caller has other photos to go on with
                log.debug("where:", exc_info=True)
                found.append(error)
        return found

    def changed(self, **changes: Any) -> "Pipeline":
        """The same loaded model under settings with `changes`, of fields about the photo and the results."""
        other = copy(self)
        other.settings = replace(self.settings, **changes)
        other.refinement = _refinement(other.settings, self.model)
        return other

    def save(
        self, avatar: "Avatar", folder: Path, overwrite: bool, started: datetime, image: str | None = None
    ) -> Path:
        """Write the results into `folder`, all or none; raises what `Avatar.save` raises.

        `image` is what the summary calls the photo, instead of the path it was read from.
        """
        from fastavatar.export.summary import Run

        run = Run(self.model_reason, started, image)
        return avatar.save(folder, overwrite, outputs=self.settings.outputs, run=run)

    def _refined(
        self, avatar: "Avatar", seconds: float | None, on_step: "Callable[[Progress], None] | None"
    ) -> "Avatar":
        from fastavatar.models.stages import stage
        from fastavatar.refine import refine

        with stage({}, "refine"):
            return refine(
                avatar,
                None,
                self.refinement,
                seconds=seconds,
                seed=self.settings.seed,
                device=self.device,
                on_step=on_step,
            )


def _refinement(settings: Settings, model: "ModelName") -> "Config | None":
    return settings.optimization.config(model) if settings.optimization else None


def with_focal_length(photo: "Photo", focal_px: float) -> "Photo":
    """The photo as if its file told this focal length in pixels; raises `UsageError` where no lens has it."""
    from fastavatar.images.exif import CREDIBLE_FOCAL

    least, most = (share * max(photo.width, photo.height) for share in CREDIBLE_FOCAL)
    if not least <= focal_px <= most:
        raise UsageError(
            f"--focal_px {focal_px:g} is no lens's for {photo.width}×{photo.height} px: "
            f"give {least:.0f} to {most:.0f}"
        )
    return replace(photo, focal_px=focal_px)
