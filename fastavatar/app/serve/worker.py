"""The work on one job: the pipeline's steps, the viewer page, the video, and the result in words."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve import Cancelled, Job
from fastavatar.app.settings import Optimization
from fastavatar.core import Avatar, Facts
from fastavatar.errors import DeviceError, FastAvatarError, InputError, out_of_memory
from fastavatar.formats import write_mesh
from fastavatar.formats.html import MESH_TEMPLATE, TEMPLATE, mesh_page
from fastavatar.images import load_photo
from fastavatar.meshing import extract_mesh
from fastavatar.models.stages import listening, stage
from fastavatar.results import (
    FPS,
    MESH_FILES,
    SUMMARY,
    TURNTABLE,
    Outputs,
    Picture,
    draw_film,
    head_cameras,
    write_video,
)

if TYPE_CHECKING:
    from fastavatar.optimise import Progress

log = logging.getLogger(__name__)

MODEL_REASON = "chosen when the server started"
"""The `model_reason` in summaries of the server."""
MODELS = {"facemesh": "the embedded model", "fastavatar": "the published networks"}
_FOLDERS = re.compile(r"(?<![\w./:])/(?:[^/\s]+/)+")
"""The folders at the start of an absolute path, not those of a web address."""
NOTICEABLE_DEG = 3.0
"""A head turned by less counts as looking straight ahead; chosen by eye."""


class Worker:
    """Works on jobs with a loaded model, one at a time; a failure is recorded in the job's status."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline.changed()
        self._pipeline.model_reason = (
            MODEL_REASON  # results go to clients, so the pipeline's own reason is not used
        )
        self._has_viewer = TEMPLATE.is_file()
        if not self._has_viewer:
            log.warning(
                "heads are shown as videos, as the viewer page is missing (`fastavatar viewer` builds it)"
            )

    def __call__(self, job: Job) -> None:
        """Work on `job` until it is done, fails or is cancelled; then delete its photo."""
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
                self._fail(job, FastAvatarError("an unexpected error; its details are in the server's log"))
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
        made = avatar.provenance
        public = tuple(PublicFacts(facts) for facts in made.facts)
        made = replace(made, facts=public, warnings=without_folders(made.warnings))
        avatar = replace(avatar, provenance=made)
        with stage({}, "write"):
            pipeline.save(avatar, job.results, overwrite=False, started=started)
        summary = json.loads((job.results / SUMMARY).read_bytes())
        job.explain(in_words(summary), tuple(summary["warnings"]))
        job.add_files("splats.ply", "preview.png", "summary.json")
        if self._has_viewer:
            job.add_files("head.html")
        with stage({}, "mesh"):
            _write_mesh(avatar, job)
        with stage({}, "video"):
            cameras = head_cameras(avatar.gaussians)
            pictures = draw_film(avatar.gaussians, cameras)
            write_video(_with_progress(pictures, len(cameras), job), job.results / TURNTABLE, FPS)
        job.add_files("turntable.mp4")

    def _fail(self, job: Job, error: FastAvatarError) -> None:
        message = without_folders(str(error).replace(str(job.photo), job.name))
        log.warning("%s", message)
        job.delete_files()
        job.fail(message, error.exit_code)


def _write_mesh(avatar: Avatar, job: Job) -> None:
    """Write the mesh and, if its template was built, a page that shows it; a job may end without a mesh."""
    place = job.results / MESH_FILES["glb"][0]
    try:
        write_mesh(extract_mesh(avatar), place)
    except InputError as error:
        log.warning("no mesh: %s", error)
        return
    job.add_files("head.glb")
    if MESH_TEMPLATE.is_file():
        (job.results / "mesh.html").write_bytes(mesh_page(place.read_bytes()))
        job.add_files("mesh.html")


@dataclass(frozen=True)
class PublicFacts:
    """Facts for the summary without the folders of this machine."""

    facts: Facts
    """The facts as the model stated them."""

    def for_summary(self) -> Mapping[str, object]:
        """Fields of `summary.json`."""
        found: Mapping[str, object] = without_folders(self.facts.for_summary())
        return found


def without_folders(value: Any) -> Any:
    """`value` with absolute paths in its texts shortened to file names: clients must not see folders."""
    if isinstance(value, str):
        return _FOLDERS.sub("", value)
    if isinstance(value, Mapping):
        return {name: without_folders(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(without_folders, value))
    return value


def _with_progress(pictures: Iterable[Picture], count: int, job: Job) -> Iterator[Picture]:
    """Yield the pictures unchanged, and record the progress of the job."""
    for index, picture in enumerate(pictures):
        job.advance(index / count)
        yield picture


def in_words(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The main facts of `summary.json`, one sentence each."""
    return (_made(summary), _pose(summary["head_pose"]), _size(summary), _terms(summary["licence"]))


def _made(summary: Mapping[str, Any]) -> str:
    model = MODELS.get(summary["model"], summary["model"])
    seconds = sum(summary["seconds"].values())
    where = "the GPU" if str(summary["device"]).startswith("cuda") else "the CPU"
    return f"{summary['num_gaussians']:,} Gaussians, made by {model} in {seconds:.1f} s on {where}."


def _pose(pose: Mapping[str, Any]) -> str:
    turns = [
        _turn(pose["yaw_deg"], "turned {} to its left", "turned {} to its right"),
        _turn(pose["pitch_deg"], "raised by {}", "lowered by {}"),
        _turn(pose["roll_deg"], "tilted {} to its left", "tilted {} to its right"),
    ]
    noticeable = [turn for turn in turns if turn]
    if not noticeable:
        return "In the photo the head looks straight at the camera."
    *others, last = noticeable
    return f"In the photo the head is {', '.join(others) + ' and ' if others else ''}{last}."


def _turn(degrees: float, positive: str, negative: str) -> str | None:
    if abs(degrees) < NOTICEABLE_DEG:
        return None
    return (positive if degrees > 0 else negative).format(f"{abs(degrees):.0f}°")


def _size(summary: Mapping[str, Any]) -> str:
    width, height = summary["image"]["width"], summary["image"]["height"]
    face = summary["face"]
    if face is None:
        return f"The photo has {width} × {height} pixels."
    across = face["box"][2] - face["box"][0]
    return f"The face is {across:.0f} pixels wide in a photo of {width} × {height}."


def _terms(licence: str) -> str:
    return f"Terms of use: {licence}."
