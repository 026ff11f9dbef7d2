"""Adam over whatever a model lets it change, one view a step, until steps or seconds run out.

           ┌──────────── loss + penalty ──▶ Adam ────────────┐
view ─▶ render(model.gaussians()) ◀── model.parameters ◀─────┘
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fastavatar.captures import View
from fastavatar.errors import FastAvatarError
from fastavatar.evaluate.metrics import psnr
from fastavatar.gaussians import Gaussians
from fastavatar.refine.config import Config, LossWeights, Stage
from fastavatar.refine.losses import photometric_loss
from fastavatar.render import Compositing, render

log = logging.getLogger(__name__)

MAX_RECOVERIES = 3
_SNAPSHOT_EVERY = 10
_RECOVERY_FACTOR = 0.3
# Adam's second moment forgets faster than usual, because runs are short.
_BETAS = (0.9, 0.99)


class Refinable(Protocol):
    """What the loop needs to know of a model."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """What may change, by the names that the configuration uses."""

    def gaussians(self) -> Gaussians:
        """The model's Gaussians, differentiable with respect to `parameters`."""

    def penalty(self) -> Tensor:
        """() what to add to the loss whatever the view."""


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
    loss: LossWeights
    """The weights really used."""
    losses: tuple[float, ...]
    """Of every step."""


def optimise(
    model: Refinable,
    views: Sequence[View],
    config: Config,
    *,
    seed: int = 0,
    seconds: float | None = None,
    compositing: Compositing = "classic",
    on_step: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Refine `model` in place on `views`, which lie on its device.

    The last view is held out where the configuration asks for it and three or more are given. Ctrl-C ends
    the run with the best so far. The same seed gives the same result.

    Raises `FastAvatarError` when the loss is not finite again after `MAX_RECOVERIES` recoveries.
    """
    device = views[0].image.device
    loss_of, weights = photometric_loss(config.loss, device)
    training, held_out = _split(views, config)
    order = _view_order(len(training), seed)
    best = _Best(model)
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
            if stage is not (now := _stage_at(config.stages, fraction)) or optimiser is None:
                stage, optimiser = now, _adam(model, now)
            _set_rates(optimiser, rate * config.final_rate**fraction)
            view = training[next(order)]
            image = render(model.gaussians(), view.camera, compositing=compositing).image
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
                best.restore_last(model)
                rate *= _RECOVERY_FACTOR
                optimiser = None
                log.warning("step %d is not finite: back to the last good state, slower", step)
                continue
            if step % _SNAPSHOT_EVERY == 0:
                best.remember(model)  # before the step: this state gave a finite loss
            optimiser.step()
            step += 1
            losses.append(float(loss.detach()))
            if on_step is not None:
                on_step(
                    Progress(step, config.iterations, losses[-1], float(psnr(image.detach(), view.image)))
                )
            if held_out is not None and step % config.check_every == 0:
                with torch.no_grad():
                    shown = render(model.gaussians(), held_out.camera, compositing=compositing).image
                if not best.offer(model, step, float(psnr(shown, held_out.image)), config.patience):
                    stopped = "early"
                    break
    except KeyboardInterrupt:
        stopped = "interrupted"
        log.warning("interrupted after %d of %d steps: the best so far is kept", step, config.iterations)
    best_step = best.finish(model, step)
    with torch.no_grad():
        gaussians = model.gaussians().detach()
    took = time.perf_counter() - started
    return Outcome(gaussians, step, best_step, took, stopped, recoveries, weights, tuple(losses))


class _Best:
    """The last good state to go back to, and the best one a held-out view has seen."""

    def __init__(self, model: Refinable) -> None:
        self._last = _copy(model)
        self._best: dict[str, Tensor] | None = None
        self._best_step, self._score, self._without_gain = 0, -math.inf, 0

    def remember(self, model: Refinable) -> None:
        self._last = _copy(model)

    def restore_last(self, model: Refinable) -> None:
        _restore(model, self._last)

    def offer(self, model: Refinable, step: int, score: float, patience: int) -> bool:
        """Whether to go on after a held-out view scored `score` dB."""
        if score > self._score:
            self._best, self._best_step, self._score, self._without_gain = _copy(model), step, score, 0
        else:
            self._without_gain += 1
        return self._without_gain < patience

    def finish(self, model: Refinable, step: int) -> int:
        """Put the best state into the model; the step it is from."""
        if self._best is not None:
            _restore(model, self._best)
            return self._best_step
        if not all(bool(value.isfinite().all()) for value in model.parameters.values()):
            _restore(model, self._last)
        return step


def _copy(model: Refinable) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.parameters.items()}


def _restore(model: Refinable, state: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in model.parameters.items():
            value.copy_(state[name])


def _split(views: Sequence[View], config: Config) -> tuple[Sequence[View], View | None]:
    if config.patience == 0 or len(views) < 3:
        return views, None
    return views[:-1], views[-1]


def _view_order(count: int, seed: int) -> Iterator[int]:
    """Indices without end, every view once in each round, rounds in random order."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).tolist()


def _stage_at(stages: Sequence[Stage], fraction: float) -> Stage:
    end = 0.0
    for stage in stages:
        end += stage.share
        if fraction < end - 1e-9:
            return stage
    return stages[-1]


def _adam(model: Refinable, stage: Stage) -> torch.optim.Adam:
    for name, value in model.parameters.items():
        value.requires_grad_(stage.learning_rates.get(name, 0) > 0 and value.numel() > 0)
    groups = [
        {"params": [value], "lr": stage.learning_rates[name], "initial_lr": stage.learning_rates[name]}
        for name, value in model.parameters.items()
        if value.requires_grad
    ]
    return torch.optim.Adam(groups, betas=_BETAS, eps=1e-15)


def _set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"] * factor


def _finite(loss: Tensor, optimiser: torch.optim.Optimizer) -> bool:
    gradients = [value.grad for group in optimiser.param_groups for value in group["params"]]
    parts = [loss.detach(), *(gradient.sum() for gradient in gradients if gradient is not None)]
    return bool(torch.stack(parts).isfinite().all())
