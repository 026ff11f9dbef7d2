"""What the routes work with: one model, one queue, one folder."""

import tempfile
from pathlib import Path

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve.jobs import Choices, Job
from fastavatar.app.serve.limits import Limits
from fastavatar.app.serve.queue import Queue
from fastavatar.app.serve.schemas import JobView, ServerView, job_view
from fastavatar.app.serve.worker import Worker
from fastavatar.version import __version__


class Service:
    """A loaded model that does jobs in `folder`, which whoever made it deletes after `close`."""

    def __init__(self, pipeline: Pipeline, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.queue = Queue(Worker(pipeline), limits)
        self._pipeline = pipeline
        self._folder = folder

    def new_job(self, name: str, choices: Choices) -> Job:
        """A job with an empty folder of its own, not yet in the queue."""
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
