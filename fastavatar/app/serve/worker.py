"""What is done for one job: the pipeline's steps, the viewer page, the video."""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve.jobs import Cancelled, Job
from fastavatar.app.serve.words import in_words
from fastavatar.app.settings import Optimization
from fastavatar.errors import DeviceError, FastAvatarError, out_of_memory
from fastavatar.formats.html.page import TEMPLATE
from fastavatar.images.photo import load_photo
from fastavatar.models.stages import listening, stage
from fastavatar.results.film import FPS, draw_film, head_cameras
from fastavatar.results.outputs import SUMMARY, TURNTABLE, Outputs
from fastavatar.results.video import Picture, write_video

if TYPE_CHECKING:
    from fastavatar.optimise.loop import Progress

log = logging.getLogger(__name__)


class Worker:
    """Does jobs with a loaded model, one at a time; every failure ends in the job's status."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._has_viewer = TEMPLATE.is_file()
        if not self._has_viewer:
            log.warning("heads are shown as videos: the viewer page was not built (`fastavatar viewer`)")

    def __call__(self, job: Job) -> None:
        """Do `job` to its end, whatever that is; its photo is deleted."""
        try:
            with listening(job.begin):
                self._make(job)
            job.succeed()
        except Cancelled:
            log.info("cancelled")
        except FastAvatarError as error:
            self._fail(job, error)
        except Exception as error:  # one photo must not end a server
            if out_of_memory(error):
                self._fail(job, DeviceError("out of memory: use a smaller photo or close other programs"))
            else:
                log.exception("job failed")
                self._fail(job, FastAvatarError("something went wrong; the server's log says what"))
        finally:
            job.photo.unlink(missing_ok=True)

    def _make(self, job: Job) -> None:
        started = datetime.now(UTC)
        with stage({}, "read photo"):
            photo = replace(load_photo(job.photo), path=Path(job.name))
        choices = job.choices
        pipeline = self._pipeline.changed(
            face=choices.face,
            focal_px=choices.focal_px,
            optimization=Optimization() if choices.optimize else None,
            outputs=Outputs(viewer=self._has_viewer),
        )

        def on_step(progress: "Progress") -> None:
            job.advance(progress.step / progress.steps)

        avatar = pipeline.predict(photo, on_step)
        with stage({}, "write"):
            pipeline.save(avatar, job.results, overwrite=False, started=started)
        summary = json.loads((job.results / SUMMARY).read_bytes())
        job.explain(in_words(summary), tuple(summary["warnings"]))
        job.add_files("splats.ply", "preview.png", "summary.json")
        if self._has_viewer:
            job.add_files("head.html")
        with stage({}, "video"):
            cameras = head_cameras(avatar.gaussians)
            pictures = draw_film(avatar.gaussians, cameras)
            write_video(_told(pictures, len(cameras), job), job.results / TURNTABLE, FPS)
        job.add_files("turntable.mp4")

    def _fail(self, job: Job, error: FastAvatarError) -> None:
        message = str(error).replace(str(job.photo), job.name)
        log.warning("%s", message)
        job.delete_files()
        job.fail(message, error.exit_code)


def _told(pictures: Iterable[Picture], count: int, job: Job) -> Iterator[Picture]:
    """The pictures as they come, each of which brings the job on."""
    for index, picture in enumerate(pictures):
        job.advance(index / count)
        yield picture
