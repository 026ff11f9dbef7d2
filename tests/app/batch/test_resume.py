import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fastavatar.app.batch.index import started_index
from fastavatar.app.batch.resume import finished_row, finished_rows, key, sole_run
from fastavatar.app.batch.rows import Job, Row
from fastavatar.core import Avatar
from fastavatar.errors import OverwriteError


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, avatar: Avatar) -> Path:
    return avatar.save(tmp_path_factory.mktemp("results") / "me.jpg")


@pytest.fixture
def job(results: Path, tmp_path: Path, avatar: Avatar) -> Job:
    """A photo whose results are complete."""
    shutil.copytree(results, tmp_path / "me.jpg")
    return Job(str(avatar.photo.path), str(tmp_path / "me.jpg"))


def test_complete_results_are_finished_without_an_index(job: Job, avatar: Avatar) -> None:
    row = finished_row(job)
    assert row is not None
    assert (row.status, row.count, row.model) == ("ok", len(avatar.gaussians), "facemesh")
    assert row.seconds > 0 and row.output == job.output


@pytest.mark.parametrize("name", ["splats.ply", "preview.png", "summary.json"])
def test_results_that_lack_a_file_are_not_finished(name: str, job: Job) -> None:
    (Path(job.output) / name).unlink()
    assert finished_row(job) is None


def test_results_of_another_photo_are_not_this_ones(job: Job) -> None:
    assert finished_row(replace(job, photo="/other/me.jpg")) is None
    summary = Path(job.output) / "summary.json"
    summary.write_text(summary.read_text()[:-100])
    assert finished_row(job) is None
    summary.write_text(json.dumps([]))
    assert finished_row(job) is None


def test_of_an_index_what_failed_or_is_gone_is_left_out(job: Job, tmp_path: Path) -> None:
    done = finished_row(job)
    assert done is not None
    gone = replace(done, photo="b.jpg", output=str(tmp_path / "b.jpg"))
    failed = Row("c.jpg", "failed", 4, "no picture", 0, 0.0, "", str(tmp_path / "c.jpg"))
    with started_index(tmp_path, [done, gone, failed, done]):
        pass
    finished: set[int] = set()
    assert list(finished_rows(tmp_path, finished)) == [done]
    assert finished == {key(job)}


def test_a_folder_takes_one_run_at_a_time(tmp_path: Path) -> None:
    with sole_run(tmp_path):
        with pytest.raises(OverwriteError, match="another run is writing"), sole_run(tmp_path):
            pass
    with sole_run(tmp_path):
        pass
