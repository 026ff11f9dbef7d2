"""Worker processes with quick stand-ins for the model, some of which die on purpose."""

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from fastavatar.app.batch import local
from fastavatar.app.batch.local import run_local
from fastavatar.app.batch.tasks import Mode, PhotoTask, Row
from fastavatar.app.batch.worker import Ready
from fastavatar.app.settings import Settings
from fastavatar.errors import DeviceError, WeightsError


def stand_in(connection: Connection, settings: Settings, mode: Mode, log_level: int) -> None:
    """Stands in for a worker: it answers every task, and a photo called poison kills it."""
    connection.send(Ready("facemesh", "named", at_once=1, gpus=0))
    for task in iter(connection.recv, None):
        if "poison" in task.photo:
            os.kill(os.getpid(), signal.SIGKILL)
        connection.send(Row(task.photo, "ok", 0, "", settings.threads or 0, 0.0, "facemesh", task.output))


def without_weights(connection: Connection, *_: object) -> None:
    connection.send(WeightsError("no weights"))


def dies_at_once(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tasks(folder: Path, *photos: str) -> list[PhotoTask]:
    return [PhotoTask(photo, str(folder / photo)) for photo in photos]


def test_every_task_has_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "work", stand_in)
    photos = [f"{n}.jpg" for n in range(30)]
    rows = list(run_local(tasks(tmp_path, *photos), Settings(threads=4), workers=2, mode="new"))
    assert sorted(row.photo for row in rows) == sorted(photos)
    assert {row.count for row in rows} == {2}, "the threads are shared out"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_photo_that_kills_its_worker_is_the_only_failed_row(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "work", stand_in)
    photos = ["poison.jpg", *(f"{n}.jpg" for n in range(9))]
    rows = list(run_local(tasks(tmp_path, *photos), Settings(), workers, mode="new"))
    assert sorted(row.photo for row in rows) == sorted(photos)
    (failed,) = [row for row in rows if row.status == "failed"]
    assert (failed.photo, failed.error_code) == ("poison.jpg", 6)
    assert failed.error == "its worker died (signal 9): too little memory?"


def test_once_stopped_only_photos_in_progress_are_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "work", stand_in)
    rows: list[Row] = []
    many = tasks(tmp_path, *(f"{n}.jpg" for n in range(1000)))
    for row in run_local(many, Settings(), workers=1, mode="new", stopped=lambda: len(rows) >= 3):
        rows.append(row)
    assert 3 <= len(rows) < 12


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "work", without_weights)
    with pytest.raises(WeightsError, match="no weights"):
        list(run_local(tasks(tmp_path, "a.jpg"), Settings(), workers=2, mode="new"))
    monkeypatch.setattr(local, "work", dies_at_once)
    with pytest.raises(DeviceError, match=r"before its model was loaded \(signal 9\)"):
        list(run_local(tasks(tmp_path, "a.jpg"), Settings(), workers=2, mode="new"))


def notes_its_process(connection: Connection, settings: Settings, mode: Mode, log_level: int) -> None:
    assert settings.cache_dir is not None
    (settings.cache_dir / str(os.getpid())).touch()
    connection.send(Ready("facemesh", "named", at_once=1, gpus=0))
    for task in iter(connection.recv, None):
        time.sleep(1.5)  # so that all workers have started before the last row
        connection.send(Row(task.photo, "ok", 0, "", settings.threads or 0, 0.0, "facemesh", task.output))


def test_there_are_no_more_workers_than_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "work", notes_its_process)
    settings = Settings(threads=8, cache_dir=tmp_path)
    found = {row.count for row in run_local(tasks(tmp_path, "a", "b"), settings, 5, "new")}
    assert len(list(tmp_path.iterdir())) == 2
    assert found == {4}, "the threads are shared out among two"
    assert list(run_local([], settings, 5, "new")) == []
