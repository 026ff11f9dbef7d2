"""A job: one photo on its way to a head, what is known of it, and what bounds all jobs of a server."""

import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

State = Literal[
    "queued",  # others go first
    "running",
    "done",
    "failed",  # `error` says why
]


FileName = Literal["splats.ply", "head.html", "turntable.mp4", "preview.png", "summary.json"]


class Cancelled(Exception):
    """Nobody wants the result any more."""


@dataclass(frozen=True)
class Choices:
    """What a client chooses for one photo."""

    face: int | None = None
    """Which face, from the left, from 0; None takes the largest."""
    focal_px: float | None = None
    """Focal length in pixels, instead of what the file tells."""
    optimize: bool = False
    """Whether the Gaussians are refined on the photo."""


@dataclass(frozen=True)
class Stage:
    """A step of a job."""

    name: str
    seconds: float | None = None
    """Wall-clock; None while it goes on."""


@dataclass(frozen=True)
class Status:
    """How far a job is; replaced as a whole, so that any thread may read it."""

    state: State = "queued"
    stages: tuple[Stage, ...] = ()
    """Begun so far, in order."""
    fraction: float | None = None
    """Of the stage that goes on, 0…1, where that is known."""
    files: tuple[FileName, ...] = ()
    """Results that are there."""
    summary: tuple[str, ...] = ()
    """The result in words, one sentence each."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    exit_code: int | None = None
    """What the command line would end with."""


class Job:
    """One photo, its folder and its status. The worker writes it, everybody reads."""

    def __init__(self, folder: Path, name: str, choices: Choices) -> None:
        self.id = secrets.token_urlsafe(16)
        self.folder = folder
        self.name = name
        """Of the photo, as its owner calls it; for messages only, no file is called so."""
        self.choices = choices
        self.status = Status()
        self.ended_at: float | None = None
        """`time.monotonic()` when it was done or had failed."""
        self._cancelled = False
        self._stage_began = 0.0

    @property
    def photo(self) -> Path:
        """Where the photo lies until it has been read."""
        return self.folder / "photo"

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return self.folder / "results"

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop at the next occasion."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask for an end; the worker stops where it next tells of its progress."""
        self._cancelled = True

    def begin(self, stage: str) -> None:
        """A stage begins, and the one before has ended; raises `Cancelled` where that was asked for."""
        self._require_wanted()
        self._update(state="running", stages=(*self._stages_ended(), Stage(stage)), fraction=None)
        self._stage_began = time.perf_counter()

    def advance(self, fraction: float) -> None:
        """So much of the stage is done, 0…1; raises `Cancelled` where that was asked for."""
        self._require_wanted()
        self._update(fraction=fraction)

    def add_files(self, *names: FileName) -> None:
        """These results are there."""
        self._update(files=(*self.status.files, *names))

    def explain(self, summary: tuple[str, ...], warnings: tuple[str, ...]) -> None:
        """The result in words."""
        self._update(summary=summary, warnings=warnings)

    def succeed(self) -> None:
        """All is done."""
        self._update(state="done", stages=self._stages_ended(), fraction=None)
        self.ended_at = time.monotonic()

    def fail(self, error: str, exit_code: int) -> None:
        """It ends here, without results."""
        self._update(state="failed", fraction=None, files=(), error=error, exit_code=exit_code)
        self.ended_at = time.monotonic()

    def delete_files(self) -> None:
        """Photo and results go."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _require_wanted(self) -> None:
        if self._cancelled:
            raise Cancelled

    def _stages_ended(self) -> tuple[Stage, ...]:
        if not self.status.stages:
            return ()
        *before, last = self.status.stages
        return (*before, replace(last, seconds=time.perf_counter() - self._stage_began))

    def _update(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Limits:
    """Bounds of one server, whoever calls."""

    keep_minutes: float = 30.0
    """From the end of a job until its results are deleted."""
    max_megabytes: float = 50.0
    """Of one photo as a file; 1 MB is 10⁶ bytes."""
    max_megapixels: float = 50.0
    """Of one photo; its decoding takes about 12 bytes a pixel."""
    max_waiting: int = 64
    """Jobs in the queue."""
    upload_seconds: float = 120.0
    """For one photo to arrive."""

    @property
    def max_bytes(self) -> int:
        """Of one photo as a file."""
        return int(self.max_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """Of one photo."""
        return int(self.max_megapixels * 1e6)
