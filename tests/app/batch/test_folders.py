import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fastavatar.app.batch.folders import complete_summary, finished_row, require_same_settings
from fastavatar.app.batch.tasks import PhotoTask
from fastavatar.app.settings import Optimization, Settings
from fastavatar.core import Avatar
from fastavatar.errors import UsageError
from fastavatar.models.published.options import PublishedOptions
from fastavatar.results.outputs import Outputs


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, avatar: Avatar) -> Path:
    return avatar.save(tmp_path_factory.mktemp("results") / "me.jpg")


@pytest.fixture
def task(results: Path, tmp_path: Path, avatar: Avatar) -> PhotoTask:
    """A photo whose results are complete."""
    shutil.copytree(results, tmp_path / "me.jpg")
    return PhotoTask(str(avatar.photo.path), str(tmp_path / "me.jpg"))


def change_summary(task: PhotoTask, **changes: Any) -> None:
    path = Path(task.output) / "summary.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_complete_results_are_finished_without_an_index(task: PhotoTask, avatar: Avatar) -> None:
    row = finished_row(task)
    assert row is not None
    assert (row.status, row.count, row.model) == ("ok", len(avatar.gaussians), "facemesh")
    assert row.seconds > 0 and row.output == task.output


@pytest.mark.parametrize("name", ["splats.ply", "preview.png", "summary.json"])
def test_results_that_lack_a_file_or_a_byte_are_not_finished(name: str, task: PhotoTask) -> None:
    path = Path(task.output) / name
    content = path.read_bytes()
    for left in (content[:-2], b""):
        path.write_bytes(left)
        assert finished_row(task) is None
    path.write_bytes(content)
    assert finished_row(task) is not None
    path.unlink()
    assert finished_row(task) is None
    path.mkdir()
    assert finished_row(task) is None


def test_results_of_a_version_that_recorded_no_sizes_are_finished(task: PhotoTask) -> None:
    summary = json.loads((Path(task.output) / "summary.json").read_text())
    del summary["checksums"], summary["settings"]
    (Path(task.output) / "summary.json").write_text(json.dumps(summary))
    assert finished_row(task) is not None
    (Path(task.output) / "splats.ply").write_bytes(b"")
    assert finished_row(task) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"image_path": "/other/me.jpg"},
        {"image_path": 5},
        {"num_gaussians": "many"},
        {"num_gaussians": 10**30},
        {"seconds": {"read": "long"}},
        {"seconds": {"read": 1e999}},
        {"files": 5},
        {"files": [["splats.ply"]]},
        {"checksums": []},
        {"checksums": {"splats.ply": 5}},
        {"model": None},
        {"model": "\ud800"},
    ],
    ids=str,
)
def test_a_summary_of_another_photo_or_of_other_types_is_not_finished(
    changes: dict[str, Any], task: PhotoTask
) -> None:
    change_summary(task, **changes)
    assert finished_row(task) is None


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"[" * 200_000, b'{"files": {"a": 1}}', b"\xff"], ids=len
)
def test_results_with_an_invalid_summary_are_not_finished(text: bytes, task: PhotoTask) -> None:
    (Path(task.output) / "summary.json").write_bytes(text)
    assert finished_row(task) is None


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (Settings(outputs=Outputs(frame="head")), 'made with frame "supersplat", this run asks for "head"'),
        (Settings(seed=7), "made with seed 42, this run asks for 7"),
        (Settings(model="fastavatar"), 'made with model "facemesh", this run asks for "fastavatar"'),
        (Settings(focal_px=700.0), "made with focal_px null, this run asks for 700.0"),
        (Settings(face=1), "made with face null"),
        (Settings(optimization=Optimization()), "made with optimization null"),
        (Settings(shoulders=False), "made with shoulders true"),
        (Settings(outputs=Outputs(background=(0, 0, 0))), "made with background"),
        (Settings(outputs=Outputs(save_ply=False)), "made with save_ply true"),
        (Settings(published=PublishedOptions(crop="none")), "made with published {}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_settings_are_refused_and_named(other: Settings, line: str, task: PhotoTask) -> None:
    change_summary(task, settings={**Settings().of_results(), "model": "facemesh"})
    summary = complete_summary(task.output)
    assert summary is not None
    require_same_settings(summary, Settings(device="cuda", threads=2, model="facemesh").of_results(), "out")
    with pytest.raises(UsageError, match=line.replace("{", r"\{")):
        require_same_settings(summary, other.of_results(), "out")


def test_only_the_settings_in_an_older_summary_are_compared(task: PhotoTask) -> None:
    change_summary(task, settings={})
    summary = complete_summary(task.output)
    assert summary is not None
    require_same_settings(summary, Settings(seed=0, shoulders=False).of_results(), "out")
    with pytest.raises(UsageError, match="made with frame"):
        require_same_settings(summary, Settings(seed=0, outputs=Outputs(frame="opencv")).of_results(), "out")
