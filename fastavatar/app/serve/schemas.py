"""What the API says, as `/openapi.json` describes it."""

from pydantic import BaseModel, Field

from fastavatar.app.serve.jobs import FileName, Job, State


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str


class StageView(BaseModel):
    """A step of a job."""

    name: str
    seconds: float | None = Field(description="How long it took; null while it goes on.")


class JobView(BaseModel):
    """A photo on its way to a head."""

    id: str = Field(description="Who knows it sees and deletes the results.")
    name: str = Field(description="Of the photo.")
    state: State
    ahead: int = Field(description="Jobs that are done before this one begins.")
    stages: list[StageView] = Field(description="Begun so far, in order.")
    fraction: float | None = Field(description="Of the last stage, 0 to 1, where that is known.")
    files: list[FileName] = Field(
        description="Results that are there; the first come before the job is done."
    )
    summary: list[str] = Field(description="The result in words.")
    warnings: list[str]
    error: str | None = Field(description="Why it failed, as the command line says it.")
    exit_code: int | None = Field(description="What the command line would end with.")


class ServerView(BaseModel):
    """The server: what it works with, how busy it is, what it takes."""

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
