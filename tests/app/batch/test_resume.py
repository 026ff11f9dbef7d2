import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastavatar.app.batch.folders import finished_row
from fastavatar.app.batch.index import LINES, started_index
from fastavatar.app.batch.resume import kept_rows, key, review
from fastavatar.app.batch.tasks import PhotoTask, Row
from fastavatar.app.settings import Settings
from fastavatar.core import Avatar
from fastavatar.errors import UsageError

ASKED = Settings(seed=0).of_results()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, avatar: Avatar) -> Path:
    return avatar.save(tmp_path_factory.mktemp("results") / "me.jpg")


@pytest.fixture
def tasks(results: Path, tmp_path: Path, avatar: Avatar) -> list[PhotoTask]:
    """Three results of one photo, all complete."""
    for name in "abc":
        shutil.copytree(results, tmp_path / name)
    return [PhotoTask(str(avatar.photo.path), str(tmp_path / name)) for name in "abc"]


def rows_of(tasks: list[PhotoTask]) -> list[Row]:
    rows = [finished_row(task) for task in tasks]
    assert None not in rows
    return [row for row in rows if row is not None]


def test_the_index_is_made_from_the_folders(tasks: list[PhotoTask], tmp_path: Path) -> None:
    """The index may lack rows, repeat them or be wrong."""
    good = rows_of(tasks)
    changes: list[dict[str, Any]] = [
        {"photo": 5},
        {"output": None},
        {"count": "x"},
        {"seconds": []},
        {"output": "a\0b"},
    ]
    wrong = [{**json.loads(good[1].to_line()), **changed} for changed in changes]
    lines = [
        good[0].to_line(),
        *(json.dumps(row).encode() + b"\n" for row in wrong),
        good[0].to_line(),
        b'{"pho',
    ]
    (tmp_path / LINES).write_bytes(b"".join(lines))
    earlier = review(tmp_path, tasks, ASKED)
    assert earlier.finished == {key(task) for task in tasks} and earlier.model == "facemesh"
    assert list(kept_rows(tmp_path, earlier, tasks)) == good


def test_rows_of_photos_that_are_not_listed_stay(tasks: list[PhotoTask], tmp_path: Path) -> None:
    good = rows_of(tasks)
    failed = [
        Row(name, "failed", 4, "no picture", 0, 0.0, "", str(tmp_path / name)) for name in ("b.jpg", "c.jpg")
    ]
    with started_index(tmp_path, [good[0], *failed, good[1]]):
        pass
    again = PhotoTask(failed[1].photo, failed[1].output)
    earlier = review(tmp_path, [tasks[2], again], ASKED)
    assert key(again) not in earlier.finished, "a photo that failed is tried again"
    assert list(kept_rows(tmp_path, earlier, [tasks[2], again])) == [good[0], failed[0], good[1], good[2]]


def test_missing_results_are_redone_and_reported(
    tasks: list[PhotoTask], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with started_index(tmp_path, rows_of(tasks)):
        pass
    with (tmp_path / "a" / "splats.ply").open("r+b") as file:
        file.truncate(1000)
    shutil.rmtree(tmp_path / "b")
    with caplog.at_level(logging.WARNING, "fastavatar"):
        earlier = review(tmp_path, [tasks[0], tasks[2]], ASKED)
    assert earlier.finished == {key(tasks[2])}
    assert [row.output for row in kept_rows(tmp_path, earlier, tasks)] == [tasks[2].output]
    assert "1 photos are done again" in caplog.text and "1 rows were dropped" in caplog.text


def test_other_settings_are_found_with_and_without_an_index(tasks: list[PhotoTask], tmp_path: Path) -> None:
    asked = replace(Settings(), seed=1).of_results()
    with pytest.raises(UsageError, match="seed 0, this run asks for 1"):
        review(tmp_path, tasks, asked)
    with started_index(tmp_path, rows_of(tasks[:1])):
        pass
    with pytest.raises(UsageError, match="seed 0, this run asks for 1"):
        review(tmp_path, [], asked)


def test_results_of_two_models_are_not_mixed(tasks: list[PhotoTask], tmp_path: Path) -> None:
    path = tmp_path / "c" / "summary.json"
    path.write_text(path.read_text().replace('"model": "facemesh"', '"model": "fastavatar"'))
    with pytest.raises(UsageError, match='c was made with model "fastavatar", this run asks for "facemesh"'):
        review(tmp_path, tasks, ASKED)


def test_a_stopped_review_reads_no_more_folders(tasks: list[PhotoTask], tmp_path: Path) -> None:
    assert review(tmp_path, tasks, ASKED, stopped=lambda: True).finished == set()
