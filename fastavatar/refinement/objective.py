"""The objective of refinement: how a model's renders differ from photographs, one view per step.

model.parameters ─▶ model.gaussians() ─ render ─▶ image ─ loss against view ─▶ + model.penalty()
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor

from fastavatar.captures import View
from fastavatar.core import Gaussians
from fastavatar.losses import Loss, psnr
from fastavatar.optimise import ExampleOrder
from fastavatar.refinement import Config
from fastavatar.rendering import render

_FEWEST_VIEWS = 3  # with fewer, holding one out would leave one or none to fit


class Refinable(Protocol):
    """A model that computes Gaussians from named parameters."""

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The tensors that may change, in place, by the names that the configuration uses."""

    def gaussians(self) -> Gaussians:
        """The model's Gaussians, differentiable with respect to `parameters`."""

    def penalty(self) -> Tensor:
        """() a penalty that is added to the loss of every view."""


class ViewsObjective:
    """The photometric loss of a model on views, whose tensors are on the model's device.

    Where the configuration has patience and there are at least three views, the last one is held out for
    early stopping.
    """

    def __init__(
        self, model: Refinable, views: Sequence[View], config: Config, loss: Loss, seed: int
    ) -> None:
        self._model, self._compositing, self._loss = model, config.compositing, loss
        holds_out = config.patience > 0 and len(views) >= _FEWEST_VIEWS
        self._training = views[:-1] if holds_out else views
        self._held_out = views[-1] if holds_out else None
        self._order = ExampleOrder(len(self._training), seed)
        self._last: tuple[Tensor, Tensor] | None = None
        self.parameters = model.parameters

    def loss(self, step: int) -> Tensor:
        """() the loss of this step's view plus the model's penalty."""
        view = self._training[self._order[step]]
        shown = render(self._model.gaussians(), view.camera, compositing=self._compositing)
        self._last = shown.image.detach(), view.image
        image, coverage = shown.image, self._loss.weights.alpha
        total = self._model.penalty()
        if coverage > 0 and view.has_mask:
            # Outside the mask nothing can be learnt about colours: white there would bleach the rim
            image = view.image + view.mask[..., None] * (image - view.image)
            total = total + coverage * (shown.alpha - view.mask).abs().mean()
        return total + self._loss(image, view.image)

    def score(self) -> float | None:
        """PSNR of the held-out view in dB; None where none is held out."""
        if self._held_out is None:
            return None
        camera, truth = self._held_out.camera, self._held_out.image
        shown = render(self._model.gaussians(), camera, compositing=self._compositing)
        return float(psnr(shown.image, truth))

    def figures(self) -> Mapping[str, float]:
        """`psnr` of the last step's view, in dB."""
        return {} if self._last is None else {"psnr": float(psnr(*self._last))}
