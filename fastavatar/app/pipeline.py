"""From a photo to a folder of results, as `predict` and everything that takes many photos goes about it.

file ─ load_photo ─▶ Photo ─ predictor ─▶ Avatar ─ (refine) ─▶ Avatar ─ save ─▶ splats.ply, preview.png, …
       └─────────────────────────── Pipeline, told what to do by Settings ──────────────────────────┘
"""

import logging
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastavatar.app.settings import Settings, with_focal_length
from fastavatar.errors import UsageError

if TYPE_CHECKING:
    from fastavatar.core import Avatar, Photo
    from fastavatar.models import ModelName
    from fastavatar.optimise.loop import Progress
    from fastavatar.refinement import Config

log = logging.getLogger(__name__)


class Pipeline:
    """A loaded model and the settings that go with it; one after another, any number of photos."""

    def __init__(self, settings: Settings) -> None:
        """Choose and load the model; raises what `load_predictor` raises."""
        from fastavatar.models import load_predictor
        from fastavatar.models.choice import choose_device, choose_model
        from fastavatar.rendering.threads import limit_threads

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
            from fastavatar.app.shoulders import without_shoulders

            gaussians, kept = without_shoulders(avatar.gaussians)
            binding = avatar.binding.subset(kept) if avatar.binding is not None else None
            avatar = replace(avatar, gaussians=gaussians, binding=binding, latent=None)
        if self.settings.check_identity:
            avatar = self._identity_checked(avatar)
        for warning in avatar.provenance.warnings:
            log.warning("%s", warning)
        return avatar

    def _identity_checked(self, avatar: "Avatar") -> "Avatar":
        from fastavatar.evaluation.identity import check_identity
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
        from fastavatar.core import Avatar
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
        from fastavatar.results.summary import Run

        run = Run(self.model_reason, started, image)
        return avatar.save(folder, overwrite, outputs=self.settings.outputs, run=run)

    def _refined(
        self, avatar: "Avatar", seconds: float | None, on_step: "Callable[[Progress], None] | None"
    ) -> "Avatar":
        from fastavatar.models.stages import stage
        from fastavatar.refinement import refine

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
