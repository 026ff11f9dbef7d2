"""The mean head: Gaussians fitted to one person after the other, none added or removed, and then averaged.

mean points ─ discs ─▶ moved to a person's points ─ refine on all views ─▶ fits/NAME.ply ─ mean ─▶ mean head
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures import View
from fastavatar.core import Gaussians
from fastavatar.errors import OverwriteError
from fastavatar.formats import read_gaussians
from fastavatar.formats.splats import write_ply
from fastavatar.refinement import load_config, refine_gaussians
from fastavatar.system import alone_in, replacing
from fastavatar.train import (
    DataSettings,
    Pictures,
    Process,
    Subject,
    from_the_first,
    joined,
    mean_discs,
    read_people,
    settings_text,
    spread,
    with_sh_degree,
)

log = logging.getLogger(__name__)

TEMPLATE = "averaged_model.ply"
"""Name of the mean head's file, the published one."""


@dataclass(frozen=True)
class TemplateSettings:
    """Everything about the fits of a mean head."""

    data: DataSettings
    """The people; views held out are used, too."""
    people: int
    """Most people who are fitted, evenly spread over all."""
    config: str
    """Configuration of the fits: a preset of `refine`, or a file."""
    iterations: int
    """Steps of a fit."""
    sh_degree: int
    """Degree of the colours' spherical harmonics."""
    seed: int
    """Random seed of the order of the views."""


def train_template(
    folders: Sequence[Path],
    settings: TemplateSettings,
    folder: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    on_fit: Callable[[int, int], None] | None = None,
) -> Path:
    """Fit the mean head of the people in `folders`; returns the path of its PLY in the run's `folder`.

    Several processes share the people. `on_fit` gets the number of people done and of all. A run that
    continues keeps the fits that it has. Raises `OverwriteError` for a run that is not to be continued, and
    what `read_people` and `refine_gaussians` raise.
    """
    with joined(device) as process:
        people = read_people(folders, settings.data)
        subjects = spread(people.trained, settings.people)
        if not process.first:
            _fit_all(subjects, settings, folder, process, None)
            from_the_first(0.0, process)
            return folder / "model" / TEMPLATE
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, wait_s=0):
            if any(folder.glob("*.yaml")) and not resume:
                raise OverwriteError(f"{folder} holds a run: continue it, or choose another folder")
            with replacing(folder / "config.yaml") as partial:
                partial.write_text(settings_text(settings), "utf-8")
            _fit_all(subjects, settings, folder, process, on_fit)
            from_the_first(0.0, process)  # waits for the others, who answer when they are done
            fits = [read_gaussians(_path(folder, one), "head") for one in subjects]
            path = folder / "model" / TEMPLATE
            write_ply(averaged(fits), path, "head", [f"mean of fits to {people.text()}"])
            stated = {"data": people.text(), "terms": people.terms, "fits": len(fits)}
            with replacing(folder / "summary.json") as partial:
                partial.write_text(json.dumps(stated, indent=2) + "\n", "utf-8")
        return path


def averaged(fits: Sequence[Gaussians]) -> Gaussians:
    """The mean of every parameter of fits whose Gaussians correspond; quaternions by their nearer sign.

    Raw parameters are averaged: logarithms of scales, logits of opacities.
    """
    first = fits[0].quats_wxyz
    aligned = [
        replace(one, quats_wxyz=one.quats_wxyz * _sign((one.quats_wxyz * first).sum(1, keepdim=True)))
        for one in fits
    ]
    values = [one.tensors() for one in aligned]
    return Gaussians(**{name: torch.stack([one[name] for one in values]).mean(0) for name in values[0]})


def _fit_all(
    subjects: Sequence[Subject],
    settings: TemplateSettings,
    folder: Path,
    process: Process,
    on_fit: Callable[[int, int], None] | None,
) -> None:
    """Fit the people of this process, except those who are done."""
    start = with_sh_degree(mean_discs([one.points for one in subjects]), settings.sh_degree)
    # Without anchors: they would hold the colours at the start's grey
    config = replace(load_config(settings.config), anchors={}, sh_degree=settings.sh_degree)
    config = config.overridden(iterations=settings.iterations)
    pictures = Pictures(replace(settings.data, cache_megabytes=0))
    mine = subjects[process.rank :: process.count]
    for done, subject in enumerate(mine, 1):
        path = _path(folder, subject)
        if not path.exists():
            moved = replace(start, means=subject.points)
            views = _views(subject, pictures)
            fit = refine_gaussians(moved, views, config, seed=settings.seed, device=process.device)
            write_ply(fit.gaussians, path, "head")
        if on_fit is not None:
            on_fit(done, len(mine))


def _views(subject: Subject, pictures: Pictures) -> list[View]:
    return [pictures.read(subject.views[index], -1) for index in (*subject.trained, *subject.held_out)]


def _path(folder: Path, subject: Subject) -> Path:
    return folder / "fits" / f"{subject.name.replace('/', '-')}.ply"


def _sign(values: Tensor) -> Tensor:
    """1 or −1, also for 0."""
    return torch.where(values < 0, -1.0, 1.0)
