"""The states worth keeping of a run: the last good one, and the best a held-out view has seen."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from fastavatar.captures import View
from fastavatar.losses.metrics import psnr
from fastavatar.optimise.refinable import Refinable, State, restore, state_of
from fastavatar.rendering import render

if TYPE_CHECKING:
    from fastavatar.refinement.config import Config

_FEWEST_VIEWS = 3


def split(views: Sequence[View], config: "Config") -> tuple[Sequence[View], View | None]:
    """Views to train on and the one held out: the last, where asked for and three or more are given."""
    if config.patience == 0 or len(views) < _FEWEST_VIEWS:
        return views, None
    return views[:-1], views[-1]


class Keeper:
    """Remembers states of a model."""

    def __init__(self, model: Refinable, held_out: View | None, config: "Config") -> None:
        self._model, self._held_out, self._config = model, held_out, config
        self._last = state_of(model)
        self._best: State | None = None
        self._best_step, self._score, self._without_gain = 0, -math.inf, 0

    def remember(self) -> None:
        """The state now is a good one to go back to."""
        self._last = state_of(self._model)

    def go_back(self) -> None:
        """To the last good state."""
        restore(self._model, self._last)

    def tired(self, step: int) -> bool:
        """Whether the held-out view, looked at every so many steps, has gained nothing for too long."""
        if self._held_out is None or step % self._config.check_every:
            return False
        with torch.no_grad():
            shown = render(
                self._model.gaussians(), self._held_out.camera, compositing=self._config.compositing
            )
        score = float(psnr(shown.image, self._held_out.image))
        if score > self._score:
            self._best, self._best_step = state_of(self._model), step
            self._score, self._without_gain = score, 0
        else:
            self._without_gain += 1
        return self._without_gain >= self._config.patience

    def finish(self, step: int) -> int:
        """Put the best state into the model; the step it is from."""
        if self._best is not None:
            restore(self._model, self._best)
            return self._best_step
        if not all(bool(value.isfinite().all()) for value in self._model.parameters.values()):
            self.go_back()
        return step
