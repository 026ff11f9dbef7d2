"""`fa.refine`: changes an avatar so that its renders look more like given views."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from fastavatar.captures import View
from fastavatar.core import Avatar, Gaussians
from fastavatar.errors import DeviceError, UsageError
from fastavatar.losses import Loss, LossWeights, photometric_loss
from fastavatar.models import require_device
from fastavatar.models.published import DecoderLatent, refit_sh
from fastavatar.optimise import Progress, RunResult, optimise
from fastavatar.refinement import (
    Config,
    DecodedModel,
    DirectModel,
    Model,
    ViewsObjective,
    load_config,
    views_of_photos,
)


@dataclass(frozen=True)
class Outcome(RunResult):
    """How a refinement went, and the Gaussians it gave."""

    gaussians: Gaussians
    """On the CPU."""
    loss: Loss
    """The loss that was minimised."""
    latent: DecoderLatent | None = None
    """The latent that the Gaussians are decoded from; None where no decoder was refined."""


@dataclass(frozen=True)
class RefinementFacts:
    """What the summary says about a refinement."""

    model: Model
    """What was optimised."""
    iterations: int
    """Number of steps."""
    best_iteration: int
    """The step after which the Gaussians were as they are in the result."""
    stopped: str
    """Why the run ended, see `optimise.Stopped`."""
    views: tuple[str, ...]
    """Names of the views that the renders were compared with."""
    loss: LossWeights
    no_lpips: str | None
    """Why LPIPS was not in use though it was asked for; None where it was in use or not asked for."""

    def for_summary(self) -> dict[str, object]:
        """The field `refinement` of `summary.json`."""
        return {"refinement": {**asdict(self), "views": list(self.views)}}


def refine(
    avatar: Avatar,
    views: Sequence[View] | None = None,
    config: Config | str | Path | None = None,
    *,
    iterations: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_step: Callable[[Progress], None] | None = None,
) -> Avatar:
    """The avatar with Gaussians whose renders look more like `views`, which are in the avatar's frame.

    Args:
        avatar: The start.
        views: Photographs with their cameras; by default the avatar's own photos and cameras.
        config: A preset, a YAML file or a configuration; by default `published` for an avatar of the
            published networks, else `photo` for one or two views and `direct_several` for more.
        iterations: Steps, instead of the configuration's.
        seconds: Wall-clock limit of the steps.
        seed: Random seed of the order of the views.
        device: `cpu`, `cuda` or `cuda:N`.
        on_step: Called after every step.

    Raises:
        UsageError: There is no view or no such configuration, or the configuration refines the published
            networks and the avatar was not made by them.
        InputError: The configuration has a wrong value.
        DeviceError: The machine has no such device, or it runs out of memory.
        FastAvatarError: The optimisation does not converge.
    """
    chosen = views_of_photos(avatar) if views is None else list(views)
    if not isinstance(config, Config):
        config = load_config(config or default_preset(len(chosen), avatar.latent is not None, fitted=True))
    latent = avatar.latent if config.model == "decoder" else None
    outcome = refine_gaussians(
        latent if isinstance(latent, DecoderLatent) else avatar.gaussians,
        chosen,
        config,
        iterations=iterations,
        seconds=seconds,
        seed=seed,
        device=device,
        on_step=on_step,
    )
    facts = RefinementFacts(
        model=config.model,
        iterations=outcome.steps,
        best_iteration=outcome.best_step,
        stopped=outcome.stopped,
        views=tuple(view.name for view in chosen),
        loss=outcome.loss.weights,
        no_lpips=outcome.loss.no_lpips,
    )
    return _refined(avatar, outcome, facts, device)


def _refined(avatar: Avatar, outcome: Outcome, facts: RefinementFacts, device: str) -> Avatar:
    """The avatar with the outcome's Gaussians and latent, and with the facts in its provenance."""
    before, latent = avatar.provenance, outcome.latent
    seconds = {**before.seconds, "refine": round(outcome.seconds, 4)}
    provenance = replace(before.with_facts(facts), device=device, seconds=seconds)
    gaussians = outcome.gaussians
    if latent is not None and latent.sh_refit == "auto":
        gaussians = replace(gaussians, sh=refit_sh(gaussians.sh))
    arrays = avatar.arrays if latent is None else {**avatar.arrays, "w_vector": latent.w.numpy()}
    return replace(avatar, gaussians=gaussians, latent=latent, arrays=arrays, provenance=provenance)


def refine_gaussians(
    start: Gaussians | DecoderLatent,
    views: Sequence[View],
    config: Config | str | Path | None = None,
    *,
    iterations: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_step: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Like `refine`, for Gaussians or a latent without an avatar; the outcome's tensors are on the CPU."""
    if not views:
        raise UsageError("refinement needs at least one view")
    require_device(device, draws=True)
    if not isinstance(config, Config):
        config = load_config(config or default_preset(len(views), isinstance(start, DecoderLatent)))
    config = config.overridden(iterations=iterations)
    moved = [
        replace(
            view,
            image=view.image.to(device),
            mask=view.mask.to(device),
            camera=view.camera.to(device, torch.float32),
        )
        for view in views
    ]
    try:
        model = _model(start, moved, config, device)
        loss = photometric_loss(config.loss, device)
        objective = ViewsObjective(model, moved, config, loss, seed)
        run = optimise(objective, config.schedule, seconds=seconds, on_step=on_step)
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"not enough memory on {device}: use the CPU") from error
    latent = model.latent.copied("cpu") if isinstance(model, DecodedModel) else None
    with torch.no_grad():
        gaussians = model.gaussians().detach().to("cpu")
    return Outcome(**vars(run), gaussians=gaussians, loss=loss, latent=latent)


def default_preset(views: int, latent: bool = False, fitted: bool = False) -> str:
    """Name of the preset for this number of views; `published` where the avatar has a `latent`.

    `fitted` is whether a model fitted the Gaussians to a photo already, so that they need to change less than
    those from points. From three views on, parameters may change that one view does not determine.
    """
    if latent:
        return "published"
    if views >= 3:
        return "direct_several"
    return "photo" if fitted else "direct"


def _model(
    start: Gaussians | DecoderLatent, views: Sequence[View], config: Config, device: str
) -> DirectModel | DecodedModel:
    """The model that the configuration optimises, on `device`."""
    if config.model == "decoder":
        if not isinstance(start, DecoderLatent):
            raise UsageError(
                "this configuration refines W and the published decoder, which did not make these Gaussians: "
                "predict with the model fastavatar, or use the configuration direct"
            )
        return DecodedModel(start.copied(device), config)
    gaussians = start if isinstance(start, Gaussians) else start.copied(device).gaussians()
    return DirectModel(gaussians.to(device), [view.camera for view in views], config)
