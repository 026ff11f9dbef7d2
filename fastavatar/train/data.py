"""Captures to train on: headers are read at the start, pictures when their turn comes.

DIR/NAME/ (a capture each) ─ read_people ─▶ People ─┬─ trained on: examples, a view each
                                                    └─ held out: views of theirs, and people
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fastavatar.captures import View, read_capture, timesteps_of
from fastavatar.errors import FastAvatarError, InputError
from fastavatar.geometry import spread_over
from fastavatar.train.people import TERMS

log = logging.getLogger(__name__)

MOST_BROKEN = 0.05
"""Share of the views that may be broken; with more, something is wrong with the data."""
_NAMED = 3


@dataclass(frozen=True)
class DataSettings:
    """Which of the data are used, and how they are read."""

    points: int
    """Points of a head, taken evenly from the captures' own order, which is the same for everybody."""
    max_side_px: int
    """Longest side of a picture; larger ones are shrunk."""
    timesteps: int
    """Most time steps of a sequence; each gets a W of its own, as another expression."""
    held_out_people: int
    """People who are not trained on, the last by name."""
    held_out_views: int
    """Views of each person trained on that are not trained on, another one from person to person."""
    readers: int
    """Threads that read pictures ahead."""
    cache_megabytes: int
    """Memory for pictures, which are then read once."""


@dataclass(frozen=True)
class Subject:
    """A person with one expression: a capture, or a time step of one."""

    name: str
    """Folder, with the one that it is in, and time step of a sequence."""
    views: Sequence[View]
    """Pictures are read when they are used."""
    points: Tensor
    """(P, 3) metres."""
    trained: tuple[int, ...]
    """Indices of the views that are trained on; none for a person held out."""
    held_out: tuple[int, ...]
    """Indices of the others."""


@dataclass(frozen=True)
class People:
    """All subjects of some folders."""

    trained: tuple[Subject, ...]
    """Those who are trained on; their order is that of the rows of W."""
    held_out: tuple[Subject, ...]
    """Those who are not."""
    broken: "Broken"
    names: tuple[str, ...]
    """Names of the folders they are from."""
    terms: str
    """Terms of use of the folders, see `stated_terms`."""

    @property
    def examples(self) -> list[tuple[int, int]]:
        """Subject and view of every example."""
        return [(who, view) for who, one in enumerate(self.trained) for view in one.trained]

    def text(self) -> str:
        """The data in a few words, for a model's file."""
        return f"{len(self.trained)} people, {len(self.examples)} views of {', '.join(self.names)}"

    def facts(self) -> dict[str, object]:
        """What the summary of a run says about its data."""
        return {
            "people": len(self.trained),
            "views": len(self.examples),
            "people_held_out": len(self.held_out),
            "broken_views": self.broken.count,
        }


class Broken:
    """Views that could not be read: named once each, left out and counted."""

    def __init__(self, total: int = 0) -> None:
        self.total = total
        """Number of views that should be there."""
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """How many are broken."""
        return len(self._reasons)

    def note(self, error: FastAvatarError) -> None:
        """Leave a view out, or a capture; the message names it."""
        with self._lock:
            reason = str(error)
            if reason not in self._reasons:
                self._reasons[reason] = reason
                log.warning("left out: %s", reason)

    def require_few(self) -> None:
        """Raise `InputError` where more than `MOST_BROKEN` of all views are broken."""
        if self.count > MOST_BROKEN * self.total:
            shown = "; ".join([*self._reasons][:_NAMED])
            raise InputError(
                f"{self.count} of {self.total} views are broken, more than {MOST_BROKEN:.0%}: {shown}"
            )


def read_people(folders: Sequence[Path], settings: DataSettings, held_out: Sequence[Path] = ()) -> People:
    """The captures in `folders`, each a capture or a folder of captures, by name.

    Those in the folders `held_out` are held out beside the last ones of `folders`.
    Broken views and captures are named, left out and counted. Raises `InputError` where more than 5 % are,
    where there are no people to train on, or where captures have fewer points than asked for.
    """
    places = [place for folder in folders for place in capture_folders(folder)]
    others = [place for folder in held_out for place in capture_folders(folder)]
    broken = Broken()

    def read(place: Path) -> list[Subject]:
        try:
            return _subjects(place, settings, broken)
        except FastAvatarError as error:
            broken.note(error)
            return []

    with ThreadPoolExecutor(settings.readers) as pool, _only_warnings("fastavatar.captures"):
        subjects = [one for found in pool.map(read, places) for one in found]
        apart_too = [one for found in pool.map(read, others) for one in found]
    broken.total = sum(len(one.views) for one in (*subjects, *apart_too)) + broken.count
    broken.require_few()
    kept = len(subjects) - settings.held_out_people
    if kept < 1:
        raise InputError(
            f"{len(subjects)} captures in {', '.join(map(str, folders))}: too few to hold out "
            f"{settings.held_out_people}"
        )
    trained = tuple(
        _split(one, number, settings.held_out_views) for number, one in enumerate(subjects[:kept])
    )
    names = tuple(folder.resolve().name for folder in folders)
    return People(trained, (*subjects[kept:], *apart_too), broken, names, stated_terms(folders))


def shrunk(view: View, max_side_px: int) -> View:
    """The view with its longest side at most `max_side_px`, each pixel the mean of those it replaces."""
    height, width = view.image.shape[:2]
    factor = max_side_px / max(height, width)
    if factor >= 1:
        return view
    size = (max(11, round(height * factor)), max(11, round(width * factor)))  # 11: SSIM's window
    planes = torch.cat([view.image, view.mask[..., None]], -1).movedim(-1, 0)[None]
    small = torch.nn.functional.interpolate(planes, size, mode="area")[0].movedim(0, -1)
    camera = view.camera.resized(size[1], size[0])
    return View(view.name, small[..., :3].contiguous(), small[..., 3].contiguous(), camera, view.has_mask)


def capture_folders(folder: Path) -> list[Path]:
    """The folders of the captures in `folder`, or itself."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    if (folder / "transforms.json").exists() or (folder / "sparse").exists():
        return [folder]
    places = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith((".", "_")))
    if not places:
        raise InputError(f"{folder} holds no captures")
    return places


def _subjects(place: Path, settings: DataSettings, broken: Broken) -> list[Subject]:
    """The subjects of a capture: one, or one a time step."""
    steps = timesteps_of(place)
    chosen: list[int | None] = [None]
    if len(steps) > 1:
        count = min(settings.timesteps, len(steps))
        chosen = [steps[round(place)] for place in torch.linspace(0, len(steps) - 1, count).tolist()]
    subjects = []
    for step in chosen:
        capture = read_capture(place, timestep=step, on_broken=broken.note)
        if capture.points is None:
            raise InputError(f"{place} has no points: a points3d.ply is needed")
        try:
            points = capture.points[spread_over(len(capture.points), settings.points)]
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        name = f"{place.resolve().parent.name}/{place.name}" + ("" if step is None else f" step {step}")
        everything = tuple(range(len(capture.views)))
        subjects.append(Subject(name, capture.views, points, (), everything))
    return subjects


def _split(subject: Subject, number: int, held_out: int) -> Subject:
    """The subject with `held_out` views apart: others for the next person, so that each camera is seen."""
    count = len(subject.views)
    apart = {(number * 3 + place * count // max(1, held_out)) % count for place in range(held_out)}
    if len(apart) >= count:
        apart = set()
    views = range(count)
    return replace(
        subject,
        trained=tuple(view for view in views if view not in apart),
        held_out=tuple(view for view in views if view in apart),
    )


def stated_terms(folders: Sequence[Path]) -> str:
    """The terms of use that folders of captures state in a file, each once, in one line."""
    files = [folder / TERMS for folder in folders]
    texts = [" ".join(path.read_text("utf-8").split()) for path in files if path.is_file()]
    return "; ".join(dict.fromkeys(filter(None, texts))) or "those of the captures, which state none"


@contextmanager
def _only_warnings(name: str) -> Iterator[None]:
    """Leave out what a room says about every capture."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)
