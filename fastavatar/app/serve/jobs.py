"""A job, which is one photo on its way to a head: its choices, its status, and the limits of all jobs."""

import secrets
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

State = Literal[
    "queued",  # waits until earlier jobs have ended
    "running",
    "done",
    "failed",  # `error` says why
]


FileName = Literal[
    "splats.ply", "head.glb", "head.html", "mesh.html", "turntable.mp4", "preview.png", "summary.json"
]
PAGES = ("head.html", "mesh.html")
"""Files that the page of the server shows in frames."""


class Cancelled(Exception):
    """Raised in the worker to end a cancelled job."""


@dataclass(frozen=True)
class Choices:
    """The options that a client sends with a photo."""

    face: int | None = None
    """Index of the face, counted from the left; None takes the largest."""
    focal_px: float | None = None
    """Focal length in pixels; None takes it from the file."""
    optimize: bool = False
    """Whether the Gaussians are refined on the photo."""


@dataclass(frozen=True)
class JobStage:
    """A step of a job."""

    name: str
    seconds: float | None = None
    """Wall-clock time; None while the step is running."""


@dataclass(frozen=True)
class Status:
    """How far a job has come. It is replaced as a whole, so that any thread may read it."""

    state: State = "queued"
    stages: tuple[JobStage, ...] = ()
    """The steps that have begun, in order."""
    fraction: float | None = None
    """How much of the running step is done, 0…1; None where that is unknown."""
    files: tuple[FileName, ...] = ()
    """Result files that can be fetched."""
    summary: tuple[str, ...] = ()
    """The result in words, one sentence each."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    exit_code: int | None = None
    """Exit code with which the command line would end."""


class Job:
    """One photo, its folder and its status. Only the worker changes the status; every thread may read it."""

    def __init__(self, folder: Path, name: str, choices: Choices) -> None:
        self.id = secrets.token_urlsafe(16)
        self.folder = folder
        self.name = name
        """The client's name for the photo, for messages only: no file is named after it."""
        self.choices = choices
        self.status = Status()
        self.ended_at: float | None = None
        """`time.monotonic()` when the job was done or had failed."""
        self._cancelled = False
        self._stage_began = 0.0

    @property
    def photo(self) -> Path:
        """The photo's file, which is deleted once the photo has been read."""
        return self.folder / "photo"

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return self.folder / "results"

    @property
    def cancelled(self) -> bool:
        """Whether the worker should stop at the next step."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask the worker to stop; it stops when it next reports progress."""
        self._cancelled = True

    def begin(self, stage: str) -> None:
        """Record that a step begins and the previous one ended; raises `Cancelled` for a cancelled job."""
        self._require_wanted()
        self._update(state="running", stages=(*self._stages_ended(), JobStage(stage)), fraction=None)
        self._stage_began = time.perf_counter()

    def advance(self, fraction: float) -> None:
        """Record how much of the running step is done, 0…1; raises `Cancelled` for a cancelled job."""
        self._require_wanted()
        self._update(fraction=fraction)

    def add_files(self, *names: FileName) -> None:
        """Record that these result files can be fetched."""
        self._update(files=(*self.status.files, *names))

    def explain(self, summary: tuple[str, ...], warnings: tuple[str, ...]) -> None:
        """Record the result in words."""
        self._update(summary=summary, warnings=warnings)

    def succeed(self) -> None:
        """Record that the job is done."""
        self._update(state="done", stages=self._stages_ended(), fraction=None)
        self.ended_at = time.monotonic()

    def fail(self, error: str, exit_code: int) -> None:
        """Record that the job failed; it has no results."""
        self._update(state="failed", fraction=None, files=(), error=error, exit_code=exit_code)
        self.ended_at = time.monotonic()

    def delete_files(self) -> None:
        """Delete the photo and the results."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _require_wanted(self) -> None:
        if self._cancelled:
            raise Cancelled

    def _stages_ended(self) -> tuple[JobStage, ...]:
        if not self.status.stages:
            return ()
        *before, last = self.status.stages
        return (*before, replace(last, seconds=time.perf_counter() - self._stage_began))

    def _update(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Limits:
    """Bounds of one server, the same for all callers."""

    keep_minutes: float = 30.0
    """Time from the end of a job until its results are deleted."""
    max_megabytes: float = 50.0
    """Size of one photo's file; 1 MB is 10⁶ bytes."""
    max_megapixels: float = 50.0
    """Size of one photo's picture; decoding takes about 12 bytes a pixel."""
    max_waiting: int = 64
    """Number of jobs that may wait, including those whose photos are still arriving."""
    upload_seconds: float = 120.0
    """Time for one photo to arrive."""

    @property
    def max_bytes(self) -> int:
        """Bytes of one photo's file."""
        return int(self.max_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """Pixels of one photo."""
        return int(self.max_megapixels * 1e6)
