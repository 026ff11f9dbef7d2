"""Adam over whatever a model lets it change, one view a step, until steps or seconds run out.

           ┌──────────── loss + penalty ──▶ Adam ────────────┐
view ─▶ render(model.gaussians()) ◀── model.parameters ◀─────┘
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fastavatar.captures import View
from fastavatar.core import Gaussians
from fastavatar.errors import FastAvatarError
from fastavatar.losses.metrics import psnr
from fastavatar.losses.photometric import Loss, photometric_loss
from fastavatar.models.published.latent import DecoderLatent
from fastavatar.optimise.early_stopping import Keeper, split
from fastavatar.optimise.refinable import Refinable
from fastavatar.optimise.schedule import adam, set_rates, stage_at, view_order
from fastavatar.rendering import render

if TYPE_CHECKING:
    from fastavatar.refinement.config import Config

log = logging.getLogger(__name__)

MAX_RECOVERIES = 3
_SNAPSHOT_EVERY = 10
_RECOVERY_FACTOR = 0.3


@dataclass(frozen=True)
class Progress:
    """One step, for a bar."""

    step: int
    """Steps done."""
    steps: int
    """Steps planned."""
    loss: float
    psnr: float
    """Of the view of this step, dB."""


@dataclass(frozen=True)
class Outcome:
    """Refined Gaussians and how it went."""

    gaussians: Gaussians
    steps: int
    """Steps done."""
    best_step: int
    """Steps after which the Gaussians were as they are returned."""
    seconds: float
    stopped: str
    """`iterations`, `seconds`, `early` or `interrupted`."""
    recoveries: int
    """How often a loss was not finite."""
    loss: Loss
    """What was minimised."""
    losses: tuple[float, ...]
    """Of every step."""
    latent: DecoderLatent | None = None
    """What the Gaussians follow from, where W and a decoder were refined."""


def optimise(
    model: Refinable,
    views: Sequence[View],
    config: "Config",
    *,
    seed: int = 0,
    seconds: float | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Refine `model` in place on `views`, which lie on its device.

    The last view is held out where the configuration asks for it and three or more are given. Ctrl-C ends
    the run with the best so far. The same seed gives the same result.

    Raises `FastAvatarError` when the loss is not finite again after `MAX_RECOVERIES` recoveries.
    """
    loss_of = photometric_loss(config.loss, views[0].image.device)
    training, held_out = split(views, config)
    order = view_order(len(training), seed)
    keeper = Keeper(model, held_out, config)
    rate, recoveries, stopped, losses = 1.0, 0, "iterations", []
    optimiser, stage = None, None
    started = time.perf_counter()
    step = 0
    try:
        while step < config.iterations:
            if seconds is not None and time.perf_counter() - started > seconds:
                stopped = "seconds"
                break
            fraction = step / config.iterations
            if stage is not (now := stage_at(config.stages, fraction)) or optimiser is None:
                stage, optimiser = now, adam(model, now, config.adam)
            set_rates(optimiser, rate * config.final_rate**fraction)
            view = training[next(order)]
            image = render(model.gaussians(), view.camera, compositing=config.compositing).image
            loss = loss_of(image, view.image) + model.penalty()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if not _finite(loss, optimiser):
                recoveries += 1
                if recoveries > MAX_RECOVERIES:
                    raise FastAvatarError(
                        f"refinement does not converge: step {step} is not finite after {MAX_RECOVERIES} "
                        "recoveries; try lower learning rates"
                    )
                keeper.go_back()
                rate *= _RECOVERY_FACTOR
                optimiser = None
                log.warning("step %d is not finite: back to the last good state, slower", step)
                continue
            if step % _SNAPSHOT_EVERY == 0:
                keeper.remember()  # before the step: this state gave a finite loss
            optimiser.step()
            step += 1
            losses.append(float(loss.detach()))
            if on_step is not None:
                on_step(
                    Progress(step, config.iterations, losses[-1], float(psnr(image.detach(), view.image)))
                )
            if keeper.tired(step):
                stopped = "early"
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
        log.warning("interrupted after %d of %d steps: the best so far is kept", step, config.iterations)
    best_step = keeper.finish(step)
    with torch.no_grad():
        gaussians = model.gaussians().detach()
    took = time.perf_counter() - started
    return Outcome(gaussians, step, best_step, took, stopped, recoveries, loss_of, tuple(losses))


def _finite(loss: Tensor, optimiser: torch.optim.Optimizer) -> bool:
    gradients = [value.grad for group in optimiser.param_groups for value in group["params"]]
    parts = [loss.detach(), *(gradient.sum() for gradient in gradients if gradient is not None)]
    return bool(torch.stack(parts).isfinite().all())
