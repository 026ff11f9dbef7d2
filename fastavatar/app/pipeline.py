"""From a photo to a folder of results: the steps that the commands for one photo and for many share.

file ─ load_photo ─▶ Photo ─ predictor ─▶ Avatar ─ (refine) ─▶ Avatar ─ save ─▶ splats.ply, preview.png, …
                     └──────────────────── Pipeline, with its Settings ────────────────────┘
"""

import logging
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastavatar.app.loading import complete_torch
from fastavatar.app.settings import Settings, with_focal_length
from fastavatar.errors import UsageError

if TYPE_CHECKING:
    from fastavatar.core import Avatar, Photo
    from fastavatar.models import ModelName
    from fastavatar.optimise import Progress
    from fastavatar.refinement import Config

log = logging.getLogger(__name__)


class Pipeline:
    """A loaded model and its settings, for any number of photos, one after the other."""

    def __init__(self, settings: Settings) -> None:
        """Choose and load the model; raises what `load_predictor` raises."""
        from fastavatar.models import load_predictor
        from fastavatar.models.choice import choose_device, choose_model
        from fastavatar.rendering import limit_threads
        from fastavatar.system import cache_folder

        limit_threads(settings.threads)
        self.settings = settings
        published = settings.published.given()
        self.model, reason = choose_model(
            settings.model,
            settings.cache_dir,
            published,
            settings.surface_checkpoint,
            settings.views_checkpoint,
        )
        self.model_reason = reason if settings.model == "auto" else settings.model_reason
        log.info("model %s: %s", self.model, self.model_reason)
        log.debug("cache folder %s", cache_folder(settings.cache_dir))
        self.device = choose_device(settings.device)
        self.refinement = _refinement(settings, self.model)
        if self.model == "fastavatar":
            published |= {"cache_dir": settings.cache_dir, "offline": settings.offline}
        own = {"surface": settings.surface_checkpoint, "views": settings.views_checkpoint}
        options = {"checkpoint": own[self.model]} if self.model in own else published
        self._predictor = load_predictor(self.model, self.device, seed=settings.seed, **options)

    def predict(self, photo: "Photo", on_step: "Callable[[Progress], None] | None" = None) -> "Avatar":
        """The avatar of `photo`; `on_step` is called after every step of a refinement.

        Raises what the model raises, `UsageError` for a focal length that no lens has.
        """
        avatar = self._predictor.predict(self._with_focal_length(photo), self.settings.face)
        return _with_own_focal_length(self._finished(avatar, on_step), photo)

    def predict_several(
        self, photos: "Sequence[Photo]", on_step: "Callable[[Progress], None] | None" = None
    ) -> "Avatar":
        """One avatar of the person whom all `photos` show; for one photo the same as `predict`.

        Raises what `predict` raises, and `UsageError` if the model takes one photo only.
        """
        if len(photos) == 1:
            return self.predict(photos[0], on_step)
        from fastavatar.models import TakesSeveral

        if not isinstance(self._predictor, TakesSeveral):
            raise UsageError(f"the model {self.model} takes one photo")
        avatar = self._predictor.predict_several([self._with_focal_length(photo) for photo in photos])
        return _with_own_focal_length(self._finished(avatar, on_step), photos[0])

    def _with_focal_length(self, photo: "Photo") -> "Photo":
        """The photo with the focal length of the settings; unchanged if they have none."""
        focal_px = self.settings.focal_px
        return photo if focal_px is None else with_focal_length(photo, focal_px)

    def _finished(self, avatar: "Avatar", on_step: "Callable[[Progress], None] | None") -> "Avatar":
        """The avatar after the refinement, cut and identity check of the settings; logs its warnings."""
        if self.settings.optimization is not None:
            avatar = self._refined(avatar, self.settings.optimization.seconds, on_step)
        if not self.settings.shoulders:
            from fastavatar.models.shoulders import without_shoulders

            avatar = without_shoulders(avatar)
        if self.settings.check_identity:
            from fastavatar.evaluation import check_identity_if_possible

            avatar = check_identity_if_possible(avatar, self.settings.published.face_pack, self.device)
        for warning in avatar.provenance.warnings:
            log.warning("%s", warning)
        return avatar

    def predict_many(self, photos: "Sequence[Photo]") -> "list[Avatar | Exception]":
        """The avatar of each photo, or the exception that its prediction raised, which stops no other."""
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
            except Exception as error:  # recorded: the other photos are still done
                log.debug("where:", exc_info=True)
                found.append(error)
        return found

    def changed(self, **changes: Any) -> "Pipeline":
        """A pipeline with the same loaded model and changed settings about the photo and the results."""
        other = copy(self)
        other.settings = replace(self.settings, **changes)
        other.refinement = _refinement(other.settings, self.model)
        return other

    def save(
        self, avatar: "Avatar", folder: Path, overwrite: bool, started: datetime, image: str | None = None
    ) -> Path:
        """Write the results into `folder`, all or none; raises what `Avatar.save` raises.

        `image` is the photo's name in the summary, by default the path it was read from.
        """
        from fastavatar.results import Run

        settings = {**self.settings.of_results(), "model": self.model}
        run = Run(self.model_reason, started, image, settings, self.settings.files())
        return avatar.save(folder, overwrite, outputs=self.settings.outputs, run=run)

    def _refined(
        self, avatar: "Avatar", seconds: float | None, on_step: "Callable[[Progress], None] | None"
    ) -> "Avatar":
        from fastavatar.models import drawing_device
        from fastavatar.models.stages import stage
        from fastavatar.refinement import refine

        complete_torch()
        with stage({}, "refine"):
            return refine(
                avatar,
                None,
                self.refinement,
                seconds=seconds,
                seed=self.settings.seed,
                device=drawing_device(self.device),
                on_step=on_step,
            )


def _with_own_focal_length(avatar: "Avatar", photo: "Photo") -> "Avatar":
    """The avatar with the focal length that the file states, for the summary, not the one the user gave."""
    # The rest stays the avatar's: the model may have turned the photo
    return replace(avatar, photo=replace(avatar.photo, focal_px=photo.focal_px))


def _refinement(settings: Settings, model: "ModelName") -> "Config | None":
    return settings.optimization.config(model) if settings.optimization else None
