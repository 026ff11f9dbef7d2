"""The service behind the routes, with one model, queue and folder; the API's answers (`/openapi.json`)."""

import tempfile
from pathlib import Path

from pydantic import BaseModel, Field

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve import Arrivals, Choices, FileName, Job, Limits, Queue, State, Worker
from fastavatar.version import __version__


class Problem(BaseModel):
    """Why a request failed."""

    detail: str


class StageView(BaseModel):
    """A step of a job."""

    name: str
    seconds: float | None = Field(description="How long it took; null while it runs.")


class JobView(BaseModel):
    """The status of a photo on its way to a head."""

    id: str = Field(description="Secret: it gives access to the results and allows deleting them.")
    name: str = Field(description="The photo's name.")
    state: State
    ahead: int = Field(description="Number of jobs before this one, the running one included.")
    stages: list[StageView] = Field(description="The steps that have begun, in order.")
    fraction: float | None = Field(description="How much of the last step is done, 0 to 1; null if unknown.")
    files: list[FileName] = Field(
        description="Files that can be fetched; some are ready before the job is done."
    )
    summary: list[str] = Field(description="The result in words.")
    warnings: list[str]
    error: str | None = Field(description="Why it failed, in the words of the command line.")
    exit_code: int | None = Field(description="Exit code with which the command line would end.")


class ServerView(BaseModel):
    """The server: its model and device, how busy it is, and which photos it accepts."""

    version: str
    model: str
    device: str
    running: int
    waiting: int
    keep_minutes: float
    max_megabytes: float
    max_megapixels: float


def job_view(job: Job, ahead: int) -> JobView:
    """A job as the API shows it."""
    status = job.status
    return JobView(
        id=job.id,
        name=job.name,
        state=status.state,
        ahead=ahead,
        stages=[StageView(name=stage.name, seconds=stage.seconds) for stage in status.stages],
        fraction=status.fraction,
        files=list(status.files),
        summary=list(status.summary),
        warnings=list(status.warnings),
        error=status.error,
        exit_code=status.exit_code,
    )


class Service:
    """A loaded model that works on jobs in `folder`. The caller deletes the folder after `close`."""

    def __init__(self, pipeline: Pipeline, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.arrivals = Arrivals(limits)
        self.queue = Queue(Worker(pipeline), limits)
        self._pipeline = pipeline
        self._folder = folder

    def new_job(self, name: str, choices: Choices) -> Job:
        """A new job with its own empty folder; it is not yet in the queue."""
        return Job(Path(tempfile.mkdtemp(dir=self._folder)), name, choices)

    def view(self, job: Job) -> JobView:
        """The job as the API shows it."""
        return job_view(job, self.queue.ahead(job))

    def server(self) -> ServerView:
        """The server as the API shows it."""
        return ServerView(
            version=__version__,
            model=self._pipeline.model,
            device=self._pipeline.device,
            running=self.queue.running(),
            waiting=self.queue.waiting(),
            keep_minutes=self.limits.keep_minutes,
            max_megabytes=self.limits.max_megabytes,
            max_megapixels=self.limits.max_megapixels,
        )

    def close(self) -> None:
        """Drop every job."""
        self.queue.close()
