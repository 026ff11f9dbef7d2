"""`fa.refine`: an avatar and views in, the avatar drawn closer to them out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from fastavatar.avatar import Avatar
from fastavatar.captures import View
from fastavatar.errors import DeviceError, UsageError
from fastavatar.gaussians import Gaussians
from fastavatar.refine.config import Config, load_config
from fastavatar.refine.direct import DirectModel
from fastavatar.refine.loop import Outcome, Progress, optimise
from fastavatar.refine.photo_view import view_of_photo


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
    """The avatar with Gaussians nearer to what `views`, in its own frame, show.

    Args:
        avatar: Where to start.
        views: Photographs with their cameras; by default the avatar's own photo and camera.
        config: A preset, a YAML file or a configuration; by default `direct` for one or two views,
            `direct_several` for more.
        iterations: Steps, instead of the configuration's.
        seconds: Wall-clock limit of the steps.
        seed: Of the order of the views.
        device: Where to compute.
        on_step: Called after every step.

    Raises:
        UsageError: No view, or no such configuration.
        InputError: A configuration that does not fit.
        DeviceError: The device is not there or runs out of memory.
        FastAvatarError: It does not converge.
    """
    chosen = [view_of_photo(avatar)] if views is None else list(views)
    outcome = refine_gaussians(
        avatar.gaussians,
        chosen,
        config,
        iterations=iterations,
        seconds=seconds,
        seed=seed,
        device=device,
        on_step=on_step,
    )
    before = avatar.provenance
    facts = {
        "iterations": outcome.steps,
        "best_iteration": outcome.best_step,
        "stopped": outcome.stopped,
        "views": [view.name for view in chosen],
        "loss": vars(outcome.loss),
    }
    provenance = replace(
        before,
        device=device,
        seconds={**before.seconds, "refine": round(outcome.seconds, 4)},
        extra={**before.extra, "refinement": facts},
    )
    return replace(avatar, gaussians=outcome.gaussians, provenance=provenance)


def refine_gaussians(
    start: Gaussians,
    views: Sequence[View],
    config: Config | str | Path | None = None,
    *,
    iterations: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_step: Callable[[Progress], None] | None = None,
) -> Outcome:
    """As `refine`, of Gaussians alone; they come back on the CPU."""
    if not views:
        raise UsageError("refinement needs at least one view")
    if not isinstance(config, Config):
        config = load_config(config or default_preset(len(views)))
    config = config.overridden(iterations=iterations)
    moved = [
        replace(view, image=view.image.to(device), camera=view.camera.to(device, torch.float32))
        for view in views
    ]
    try:
        model = DirectModel(start.to(device), [view.camera for view in moved], config)
        outcome = optimise(model, moved, config, seed=seed, seconds=seconds, on_step=on_step)
    except torch.OutOfMemoryError as error:
        raise DeviceError(f"not enough memory on {device}: try --device cpu") from error
    return replace(outcome, gaussians=outcome.gaussians.to("cpu"))


def default_preset(views: int) -> str:
    """The preset for so many views: with three or more, what one view cannot tell may change too."""
    return "direct" if views < 3 else "direct_several"
