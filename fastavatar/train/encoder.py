"""Trains the identity encoder: embedding of a face → the W that the decoder's training found for the person.

view ─ recogniser ─▶ embedding ─ IdentityEncoder ─▶ W ─ 0.1 MSE + 1.0 (1 − cosine) against the learnt W
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.core import Gaussians
from fastavatar.errors import InputError, UsageError
from fastavatar.faces import FaceFinder, choose_face
from fastavatar.models.published import IdentityEncoder, fold
from fastavatar.rendering import render
from fastavatar.train import (
    Batches,
    EncoderSettings,
    People,
    Pictures,
    Process,
    Subject,
    TrainedDecoder,
    Validation,
    ViewScores,
    load_recogniser,
    mean_head_of,
    pixels,
    read_people,
    read_trained_decoder,
    write_network,
)
from fastavatar.weights import STEMS, Origin

log = logging.getLogger(__name__)


class EncoderTrainee:
    """The encoder, the embeddings of everybody's views, and the W that belong to them."""

    def __init__(
        self,
        people: People,
        trained: TrainedDecoder,
        recogniser: tuple[FaceFinder, str],
        settings: EncoderSettings,
        process: Process,
    ) -> None:
        self._people, self._trained, self._settings = people, trained, settings
        self._recogniser, self._recogniser_name = recogniser
        self._device = process.device
        self._pictures = Pictures(settings.data)
        rows = _rows_of(people.trained, trained.names)
        found = [self._embeddings(one) for one in people.trained]
        owners = [row for row, ones in zip(rows, found, strict=True) for _ in ones]
        if not owners:
            raise InputError("the recogniser finds no face in any view")
        self._w = trained.w[owners]
        embeddings = np.stack([one for ones in found for one in ones])
        self._embedding = torch.from_numpy(embeddings).to(self._device)
        without = sum(not ones for ones in found)
        log.info("%d faces recognised; %d people have none", len(owners), without)
        torch.manual_seed(settings.pace.seed)
        widths = [self._embedding.shape[1], *settings.hidden, self._w.shape[1]]
        self.encoder = IdentityEncoder(widths).to(self._device)
        self.modules: Mapping[str, nn.Module] = {"encoder": self.encoder}
        self._batches = Batches(self.examples, settings.pace.batch, settings.pace.seed, process)
        self._scores = ViewScores(people, settings.data, settings.compositing, process)
        self._photos = {who: self._photo(people.held_out[who]) for who in self._scores.held_out}
        self._folded = fold(trained.decoder)
        self._cosine = 0.0

    @property
    def examples(self) -> int:
        """Number of faces."""
        return len(self._embedding)

    def loss(self, step: int) -> Tensor:
        """() mean loss of the step's faces."""
        chosen = self._batches[step]
        faces, wanted = F.normalize(self._embedding[chosen], dim=1), self._w[chosen]
        if self._settings.mix:
            share, other = torch.rand(len(chosen), 1).to(faces), torch.randperm(len(chosen))
            faces, wanted = (torch.lerp(one, one[other], share) for one in (faces, wanted))
        made = self.encoder(faces)
        cosine = F.cosine_similarity(made, wanted).mean()
        self._cosine = float(cosine.detach())
        return self._settings.mse * F.mse_loss(made, wanted) + self._settings.cosine * (1 - cosine)

    def figures(self) -> Mapping[str, float]:
        """`cosine` of the last step's W with the learnt ones."""
        return {"cosine": self._cosine}

    def validate(self) -> Validation:
        """Scores of people held out from one photo each, and how alike the recogniser finds them.

        Beside them those of the mean head, as it is and on the person's points, and of the mean W.
        """
        self.encoder.eval()
        own = {who: self.encoder(one.embedding[None]) for who, one in self._photos.items() if one is not None}
        self.encoder.train()
        mean_w, mean = self._trained.w.mean(0, keepdim=True), mean_head_of(self._trained.decoder)

        def encoded(who: int, points: Tensor) -> Gaussians:
            return self._folded.decode(own.get(who, mean_w), points)

        makers: dict[str, Callable[[int, Tensor], Gaussians]] = {
            "people": encoded,
            "mean_head": lambda who, points: mean,
            "mean_on_points": lambda who, points: replace(mean, means=points),
            "mean_w": lambda who, points: self._folded.decode(mean_w, points),
        }
        scores = {name: self._scores.of_held_out(make) for name, make in makers.items()}
        figures = {key: value for name, found in scores.items() for key, value in found.figures(name).items()}
        for name in ("people", "mean_w"):
            alike = [self._likeness(who, makers[name]) for who in own]
            if known := [one for one in alike if one is not None]:
                figures[f"likeness_{name}"] = float(np.mean(known))
        picture = scores["people"].picture
        return Validation(figures, {} if picture is None else {"people": picture}, figures.get("psnr_people"))

    def _likeness(self, who: int, make: Callable[[int, Tensor], Gaussians]) -> float | None:
        """Cosine of the embeddings of a person's photo and of a render from its camera; None for no face."""
        photo, subject = self._photos[who], self._people.held_out[who]
        if photo is None:
            return None
        made = make(who, subject.points.to(self._device))
        view = self._pictures.read(subject.views[photo.view], _key(subject, photo.view))
        shown = render(made, view.camera.to(self._device), compositing=self._settings.compositing).image
        embedding = self._recognise(pixels(shown))
        if embedding is None:
            return None
        return float(F.cosine_similarity(torch.from_numpy(embedding), photo.embedding.cpu(), dim=0))

    def _photo(self, subject: Subject) -> "_PhotoOf | None":
        """The first view for fitting in which the recogniser finds a face; None where there is none."""
        for index in subject.held_out[::2]:
            found = self._embedding_of(subject, index)
            if found is not None:
                return _PhotoOf(index, torch.from_numpy(found).to(self._device))
        return None

    def _embeddings(self, subject: Subject) -> list[NDArray[np.float32]]:
        found = [self._embedding_of(subject, index) for index in (*subject.trained, *subject.held_out)]
        return [one for one in found if one is not None]

    def _embedding_of(self, subject: Subject, index: int) -> NDArray[np.float32] | None:
        try:
            view = self._pictures.read(subject.views[index], _key(subject, index))
        except InputError as error:
            self._people.broken.note(error)
            self._people.broken.require_few()
            return None
        return self._recognise(pixels(view.image))

    def _recognise(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        faces = self._recogniser.find(rgb)
        return choose_face(faces).embedding if faces else None

    def export(self, folder: Path) -> None:
        """The encoder in the published layout."""
        write_network(folder, STEMS.encoder.name, "model_dict", self.encoder.state_dict(), self.origin())

    def origin(self) -> Origin:
        """What the encoder says about itself."""
        loss = f"{self._settings.mse:g} mse, {self._settings.cosine:g} cosine"
        terms = self._people.terms
        return Origin(self._people.text(), terms, recogniser=self._recogniser_name, loss=loss)

    def facts(self) -> Mapping[str, Any]:
        """Data, terms and recogniser of the run."""
        counts = {**self._people.facts(), "faces": self.examples}
        return {**self.origin().for_summary(), "counts": counts}


@dataclass(frozen=True)
class _PhotoOf:
    """The photo of a person held out from which W is computed."""

    view: int
    """Index of the view."""
    embedding: Tensor
    """(E,) what the recogniser gives for it."""


def make_encoder_trainee(
    folders: tuple[Sequence[Path], Sequence[Path]],
    run: Path,
    recogniser: Path | None,
    settings: EncoderSettings,
) -> Callable[[Process], EncoderTrainee]:
    """A function that makes the trainee for a process.

    `folders` are those of the people that the decoder was trained on, and of people to be held out; `run` is
    the decoder's run.
    """

    def make(process: Process) -> EncoderTrainee:
        if process.count > 1:
            raise UsageError("the encoder trains in one process: its steps take milliseconds")
        trained = read_trained_decoder(run, process.device)
        points = len(trained.decoder.mean_head_points)
        if points != settings.data.points:
            raise UsageError(f"the decoder in {run} has {points} points, the settings {settings.data.points}")
        people = read_people(folders[0], settings.data, folders[1])
        found = load_recogniser(recogniser, process.device)
        return EncoderTrainee(people, trained, found, settings, process)

    return make


def _rows_of(subjects: Sequence[Subject], names: Sequence[str]) -> list[int]:
    """Row of W of each subject; raises `UsageError` for those whom the decoder was not trained on."""
    rows = {name: row for row, name in enumerate(names)}
    if missing := [one.name for one in subjects if one.name not in rows]:
        raise UsageError(
            f"the decoder was not trained on {', '.join(missing[:3])}: give the data that it was trained on"
        )
    return [rows[one.name] for one in subjects]


def _key(subject: Subject, index: int) -> int:
    return hash((subject.name, index))
