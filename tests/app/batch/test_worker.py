"""The three steps, with a stand-in for the loaded model."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import pytest

from fastavatar.app.batch.tasks import PhotoTask, Row
from fastavatar.app.batch.worker import work_off
from fastavatar.app.pipeline import Pipeline
from fastavatar.core import Photo
from fastavatar.errors import NoFaceError
from tests.portraits import PORTRAIT


class StandIn:
    """Finds no face in the photo `blind_to`; records its threads and the number of photos in each call."""

    model = "facemesh"

    def __init__(self, blind_to: str = "") -> None:
        self.blind_to = blind_to
        self.together: list[int] = []
        self.threads: set[tuple[str, int]] = set()

    def predict_many(self, photos: Sequence[Photo]) -> list[Any]:
        self.together.append(len(photos))
        time.sleep(0.3)  # so that others get read meanwhile
        self.threads.add(("predict", get_ident()))
        return [NoFaceError("no face") if photo.path.name == self.blind_to else self for photo in photos]

    @property
    def gaussians(self) -> range:
        return range(7)

    def save(self, avatar: Any, folder: Path, overwrite: bool, started: datetime, image: str) -> Path:
        self.threads.add(("save", get_ident()))
        folder.mkdir(parents=True)
        return folder


def photos_in(folder: Path, count: int) -> list[PhotoTask]:
    for number in range(count):
        (folder / f"{number}.png").symlink_to(PORTRAIT)
    return [PhotoTask(str(folder / f"{n}.png"), str(folder / "out" / f"{n}.png")) for n in range(count)]


@pytest.mark.parametrize("at_once", [1, 3])
def test_every_task_has_its_row_in_order(at_once: int, tmp_path: Path) -> None:
    tasks = photos_in(tmp_path, 7)
    Path(tasks[2].photo).unlink()
    Path(tasks[3].output).mkdir(parents=True)
    (Path(tasks[3].output) / "summary.json").touch()
    pipeline = StandIn(blind_to="4.png")
    rows: list[Row] = []
    work_off(cast(Pipeline, pipeline), iter(tasks), rows.append, at_once=at_once)
    assert [row.photo for row in rows] == [task.photo for task in tasks]
    assert [row.error_code for row in rows] == [0, 0, 4, 7, 3, 0, 0]
    assert [row.count for row in rows] == [7, 7, 0, 0, 0, 7, 7]
    assert sum(pipeline.together) == 5 and max(pipeline.together) <= at_once
    assert at_once == 1 or len(pipeline.together) < 5, "those that wait go together"
    assert len({thread for _, thread in pipeline.threads}) == 2, "one writes while another is predicted"
    assert dict(pipeline.threads)["predict"] == get_ident()


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    (task,) = photos_in(tmp_path, 1)
    left = Path(task.output) / ".results.0123abcd.partial"
    left.mkdir(parents=True)
    (left / "splats.ply").touch()
    rows: list[Row] = []
    work_off(cast(Pipeline, StandIn()), iter([task]), rows.append)
    assert rows[0].status == "ok" and not left.exists()


def test_without_tasks_there_are_no_rows() -> None:
    rows: list[Row] = []
    work_off(cast(Pipeline, StandIn()), iter([]), rows.append)
    assert rows == []
