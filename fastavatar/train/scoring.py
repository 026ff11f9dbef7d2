"""How well Gaussians show people in views that nothing was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.captures import View
from fastavatar.core import Gaussians
from fastavatar.errors import WeightsError
from fastavatar.geometry import spread_over
from fastavatar.losses import Lpips, load_lpips, psnr, ssim
from fastavatar.rendering import Compositing, render
from fastavatar.train import DataSettings, People, Pictures, Process, Subject

Thing = TypeVar("Thing")

MOST_SUBJECTS = 16
"""People in a validation, evenly spread over all: enough for a mean, few enough to take seconds."""
_SHOWN = 6  # pairs of truth and render in a picture

Maker = Callable[[int, Tensor], Gaussians]
"""A function of a subject's index and points (N, 3) that returns the Gaussians to be judged."""


@dataclass
class Scores:
    """Figures of several views."""

    psnr: list[float] = field(default_factory=list)
    """In dB, over the whole picture on white."""
    psnr_person: list[float] = field(default_factory=list)
    """In dB, over the person's mask."""
    ssim: list[float] = field(default_factory=list)
    """Structural similarity over the whole picture."""
    lpips: list[float] = field(default_factory=list)
    """LPIPS over the whole picture; empty where it is not on this machine."""
    shown: list[NDArray[np.uint8]] = field(default_factory=list)
    """Truth above render, (2H, W, 3), of the first view of some people."""

    def figures(self, name: str) -> dict[str, float]:
        """Means by `psnr_NAME` and so on; empty where no view was judged."""
        kinds = {
            "psnr": self.psnr,
            "psnr_person": self.psnr_person,
            "ssim": self.ssim,
            "lpips": self.lpips,
        }
        return {f"{kind}_{name}": float(np.mean(values)) for kind, values in kinds.items() if values}

    @property
    def picture(self) -> NDArray[np.uint8] | None:
        """Truths in the upper row, renders below; None where no view was judged."""
        if not self.shown:
            return None
        height, width = (max(one.shape[side] for one in self.shown) for side in (0, 1))
        canvas = np.full((height, width * len(self.shown), 3), 255, np.uint8)
        for place, one in enumerate(self.shown):
            canvas[: one.shape[0], place * width : place * width + one.shape[1]] = one
        return canvas


class ViewScores:
    """Judges Gaussians on the views held out of people trained on, and on people held out.

    Of a person held out, every other view is for fitting and the rest is judged.
    """

    def __init__(
        self, people: People, settings: DataSettings, compositing: Compositing, process: Process
    ) -> None:
        self._people, self._compositing, self._device = people, compositing, process.device
        self._lpips = _lpips_if_possible(process.device)
        most = 1 if process.check else MOST_SUBJECTS
        self._pictures = Pictures(settings)
        with_views = [who for who, one in enumerate(people.trained) if one.held_out]
        self._trained = spread(with_views, most)
        self.held_out = spread(range(len(people.held_out)), most)
        """Indices of the people held out who are judged."""

    def of_trained(self, make: Maker) -> Scores:
        """Scores of the views held out of people trained on."""
        found = Scores()
        for who in self._trained:
            subject = self._people.trained[who]
            self._judge(found, subject, subject.held_out, make(who, subject.points.to(self._device)))
        return found

    def of_held_out(self, make: Maker) -> Scores:
        """Scores of people held out, on the views that `fitting_view` does not give."""
        found = Scores()
        for who in self.held_out:
            subject = self._people.held_out[who]
            self._judge(found, subject, subject.held_out[1::2], make(who, subject.points.to(self._device)))
        return found

    def fitting_view(self, who: int, step: int) -> tuple[View, Tensor]:
        """A view of person `who` held out, and their points, on the device; another one each step."""
        subject = self._people.held_out[who]
        views = subject.held_out[::2]
        return self._view(subject, views[step % len(views)]), subject.points.to(self._device)

    def _view(self, subject: Subject, index: int) -> View:
        key = hash((subject.name, index))
        view = self._pictures.read(subject.views[index], key)
        camera = view.camera.to(self._device, torch.float32)
        return View(view.name, view.image.to(self._device), view.mask.to(self._device), camera, view.has_mask)

    def _judge(self, found: Scores, subject: Subject, views: Sequence[int], made: Gaussians) -> None:
        """Add the scores of `made` on these views of a subject."""
        for place, index in enumerate(views):
            view = self._view(subject, index)
            image = render(made, view.camera, compositing=self._compositing).image.clamp(0, 1)
            found.psnr.append(float(psnr(image, view.image)))
            found.psnr_person.append(float(psnr(image, view.image, view.mask)))
            found.ssim.append(float(ssim(image, view.image)))
            if self._lpips is not None:
                found.lpips.append(float(self._lpips(image, view.image)))
            if place == 0 and len(found.shown) < _SHOWN:
                found.shown.append(pixels(torch.cat([view.image, image])))


def _lpips_if_possible(device: str) -> Lpips | None:
    try:
        return load_lpips(device)
    except WeightsError:
        return None


def spread(things: Sequence[Thing], most: int) -> list[Thing]:
    """At most `most` of `things`, evenly spread."""
    if len(things) <= most:
        return [*things]
    return [things[place] for place in spread_over(len(things), most)]


def pixels(image: Tensor) -> NDArray[np.uint8]:
    """Bytes (H, W, 3) of an image (H, W, 3) in 0…1."""
    found: NDArray[np.uint8] = (image.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
    return found
