"""Trains the decoder as an auto-decoder (Liang et al. 2025, section 3): W of everybody is learnt with it.

row of W (512) ─┐
points (N, 3) ──┴─ ConditionalDecoder ─▶ Gaussians ─ render ─▶ image ─ loss against one view
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastavatar.captures import View
from fastavatar.core import Gaussians
from fastavatar.losses import photometric_loss, psnr
from fastavatar.models.published import ConditionalDecoder, fold
from fastavatar.rendering import render
from fastavatar.train import (
    Batches,
    DecoderSettings,
    Example,
    Loader,
    People,
    Process,
    Validation,
    ViewScores,
    loss_text,
    mean_discs,
    mean_head_of,
    read_mean_head,
    read_people,
    start_decoder,
    with_sh_degree,
    write_network,
)
from fastavatar.weights import STEMS, Origin

W_FILE, PEOPLE_FILE = "w.npy", "people.json"


class DecoderTrainee:
    """The decoder and W of everybody who is trained on."""

    def __init__(
        self, people: People, mean_head: Gaussians, settings: DecoderSettings, process: Process
    ) -> None:
        torch.manual_seed(settings.pace.seed)
        network, device = settings.network, process.device
        self.decoder = ConditionalDecoder(network.sizes(settings.data.points))
        start_decoder(self.decoder, mean_head, network.embedding_kind, network.hidden_gain)
        _freeze(self.decoder, settings)
        self.decoder.to(device)
        self._latents = nn.Embedding(len(people.trained), network.w).to(device)
        nn.init.normal_(self._latents.weight, std=network.w_deviation)
        self.modules: Mapping[str, nn.Module] = {"decoder": self.decoder, "latents": self._latents}
        self._people, self._settings, self._device = people, settings, device
        batches = Batches(self.examples, settings.pace.batch, settings.pace.seed, process)
        self._loader = Loader(people, settings.data, batches, settings.views_together)
        self._loss = photometric_loss(settings.loss, device)
        # Mixed precision on CUDA: the large matrix products in 16 bits, their sums and all else in 32
        self._dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        self._last: tuple[Tensor, Tensor] | None = None
        self._scores = ViewScores(people, settings.data, settings.compositing, process)
        self._fit_steps = 1 if process.check else settings.fit_steps

    @property
    def examples(self) -> int:
        """Number of views trained on."""
        return len(self._people.examples)

    def gaussians(self, w: Tensor, points: Tensor) -> Gaussians:
        """The Gaussians of W (1, 512) at `points` (N, 3), differentiable."""
        return fold(self.decoder, self._dtype).decode(w, points)

    def loss(self, step: int) -> Tensor:
        """() mean loss of the step's views."""
        by_person = groupby(self._loader[step], lambda example: example.subject)
        losses = [loss for who, examples in by_person for loss in self._losses_of(who, list(examples))]
        return torch.stack(losses).mean()

    def _losses_of(self, who: int, examples: Sequence[Example]) -> list[Tensor]:
        """The losses () of views of one person, who is decoded once for all of them."""
        points = examples[0].points.to(self._device)
        made = self.gaussians(self._latents.weight[who][None], points)
        penalty = self._penalty(made, points)
        return [self._loss_of(made, example.view) + penalty for example in examples]

    def _loss_of(self, made: Gaussians, view: View) -> Tensor:
        camera, truth = view.camera.to(self._device), view.image.to(self._device)
        image = render(made, camera, compositing=self._settings.compositing).image
        self._last = image.detach(), truth
        return self._loss(image, truth)

    def _penalty(self, made: Gaussians, points: Tensor) -> Tensor:
        """() the paper's regularisers: of offsets, and of scales."""
        total = points.new_zeros(())
        if self._settings.offset_penalty > 0:
            moved_cm = 100 * (made.means - points)
            total = total + self._settings.offset_penalty * moved_cm.square().mean()
        if self._settings.scale_penalty > 0:
            grown = made.log_scales - self.decoder.splats["scales"]
            total = total + self._settings.scale_penalty * grown.square().mean()
        return total

    def figures(self) -> Mapping[str, float]:
        """`psnr` of the last view in dB."""
        return {} if self._last is None else {"psnr": float(psnr(*self._last))}

    def validate(self) -> Validation:
        """Scores of views held out: of people trained on, and of others after a fit of W alone.

        Beside them those of the mean head: as it is, and moved to the person's points.
        """
        rows, scores = self._latents.weight.detach(), self._scores
        mean = mean_head_of(self.decoder)

        def on_points(who: int, points: Tensor) -> Gaussians:
            return replace(mean, means=points)

        known = scores.of_trained(lambda who, points: self.gaussians(rows[who][None], points))
        fitted = self._fitted()
        unknown = scores.of_held_out(lambda who, points: self.gaussians(fitted[who], points))
        figures = {
            **known.figures("views"),
            **scores.of_trained(lambda who, points: mean).figures("views_mean_head"),
            **scores.of_trained(on_points).figures("views_mean_on_points"),
            **unknown.figures("fitted"),
            **scores.of_held_out(lambda who, points: mean).figures("fitted_mean_head"),
            **scores.of_held_out(on_points).figures("fitted_mean_on_points"),
        }
        pictures = {
            name: found.picture
            for name, found in (("views", known), ("people", unknown))
            if found.picture is not None
        }
        return Validation(figures, pictures, figures.get("psnr_views"))

    def _fitted(self) -> dict[int, Tensor]:
        """W (1, 512) of people held out, fitted to every other view with the decoder as it is."""
        trained = [value for value in self.decoder.parameters() if value.requires_grad]
        for value in trained:
            value.requires_grad_(False)
        try:
            start = self._latents.weight.detach().mean(0, keepdim=True)
            return {who: self._fit(who, start) for who in self._scores.held_out}
        finally:
            for value in trained:
                value.requires_grad_(True)

    def _fit(self, who: int, start: Tensor) -> Tensor:
        # Ten times as fast as in training: few steps, a single vector
        w = start.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([w], lr=0.03)
        with torch.enable_grad():
            for step in range(self._fit_steps):
                view, points = self._scores.fitting_view(who, step)
                image = render(
                    self.gaussians(w, points), view.camera, compositing=self._settings.compositing
                ).image
                optimiser.zero_grad()
                self._loss(image, view.image).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        return w.detach()

    def export(self, folder: Path) -> None:
        """The decoder in the published layout, and W of everybody with their names."""
        write_network(folder, STEMS.decoder.name, "model_dict", self.decoder.state_dict(), self.origin())
        np.save(folder / W_FILE, self._latents.weight.detach().cpu().numpy())
        names = [one.name for one in self._people.trained]
        (folder / PEOPLE_FILE).write_text(json.dumps(names) + "\n", "utf-8")

    def origin(self) -> Origin:
        """What the decoder says about itself."""
        return Origin(self._people.text(), self._people.terms, loss=loss_text(self._loss))

    def facts(self) -> Mapping[str, Any]:
        """Data, terms and loss of the run."""
        origin = self.origin()
        return {**origin.for_summary(), "counts": self._people.facts()}


def _freeze(decoder: ConditionalDecoder, settings: DecoderSettings) -> None:
    """Stop gradients of what is not trained: the mean head, and an embedding that is computed."""
    decoder.splats.requires_grad_(False)
    if not settings.train_mean_head:
        for name, value in decoder.named_parameters():
            if name.startswith("base_"):
                value.requires_grad_(False)
    if settings.network.embedding_kind == "sinusoidal":
        decoder.gaussian_embeddings.requires_grad_(False)


def make_decoder_trainee(
    folders: tuple[Sequence[Path], Sequence[Path]], template: Path | None, settings: DecoderSettings
) -> Callable[[Process], DecoderTrainee]:
    """A function that makes the trainee for a process.

    `folders` are those of people to train on, and of people to be held out. `template` is a PLY of the mean
    head in the head frame; without one, grey discs at the mean points.
    """

    def make(process: Process) -> DecoderTrainee:
        people = read_people(folders[0], settings.data, folders[1])
        if template is None:
            mean_head = mean_discs([one.points for one in people.trained])
        else:
            mean_head = read_mean_head(template, settings.data.points)
        mean_head = with_sh_degree(mean_head, settings.network.sh_degree)
        return DecoderTrainee(people, mean_head, settings, process)

    return make
