import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import plyfile
import pytest
import torch
from PIL import Image

import fastavatar.results.folder as results
from fastavatar.core import Avatar, Camera
from fastavatar.errors import FastAvatarError, InputError, OverwriteError, UsageError
from fastavatar.results.folder import require_writable, write_results
from fastavatar.results.outputs import Outputs
from fastavatar.results.summary import Run
from tests.results.avatars import make_avatar

NAMES = ["preview.png", "splats.ply", "summary.json", "w_vector.npy"]
SCHEMA = json.loads((Path(results.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def broken(avatar: Avatar) -> Avatar:
    """An avatar whose preview cannot be drawn, after its PLY was written."""
    return replace(avatar, camera=Camera(avatar.camera.K * torch.nan, avatar.camera.world_to_camera, 9, 9))


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """No file may grow beyond the limit, which fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_result_is_there_and_fits_its_description(tmp_path: Path) -> None:
    avatar = make_avatar()
    run = Run("its weights are in the cache", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    folder = avatar.save(tmp_path / "new" / "results", outputs=Outputs(frame="opencv"), run=run)
    assert sorted(contents(folder)) == NAMES
    ply = plyfile.PlyData.read(folder / "splats.ply")
    assert ply["vertex"].count == 300 and ply["vertex"].comments == ["frame opencv"]
    assert Image.open(folder / "preview.png").size == (6 * 384, 384)
    np.testing.assert_array_equal(np.load(folder / "w_vector.npy"), avatar.arrays["w_vector"])
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(summary)
    assert sorted(summary["files"]) == NAMES
    assert summary["model_reason"] == "its weights are in the cache"
    assert summary["started"] == "2026-01-02T03:04:05+00:00"
    assert list(summary["seconds"]) == ["face", "write", "preview"]
    assert summary["peak_memory_mb"] > 10


def test_the_same_avatar_gives_the_same_bytes(tmp_path: Path) -> None:
    a, b = (contents(make_avatar().save(tmp_path / name)) for name in "ab")
    assert {name for name in NAMES if a[name] == b[name]} == {*NAMES} - {"summary.json"}


def test_results_can_be_written_without_the_ply(tmp_path: Path) -> None:
    folder = make_avatar().save(tmp_path / "results", outputs=Outputs(save_ply=False))
    assert sorted(contents(folder)) == ["preview.png", "summary.json", "w_vector.npy"]


def test_existing_results_are_not_replaced_without_force(tmp_path: Path) -> None:
    make_avatar().save(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(OverwriteError) as caught:
        make_avatar(1).save(tmp_path)
    assert caught.value.exit_code == 7
    assert str(caught.value) == (
        f"{tmp_path} holds results already (preview.png, splats.ply, summary.json, w_vector.npy); "
        "choose another folder or allow overwriting"
    )
    assert contents(tmp_path) == before
    with pytest.raises(OverwriteError):
        require_writable(tmp_path)
    require_writable(tmp_path, overwrite=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_single_file_in_the_way_is_enough(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(OverwriteError, match=rf"\({name}\)"):
        make_avatar().save(tmp_path)
    assert contents(tmp_path) == {name: b"precious"}


def test_overwriting_replaces_all_results_and_keeps_all_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "splats.ply").write_text("mine")
    make_avatar().save(tmp_path)
    first = contents(tmp_path)
    without = replace(make_avatar(1), arrays={"points": np.zeros((2, 3), np.float32)})
    without.save(tmp_path, overwrite=True)
    second = contents(tmp_path)
    assert sorted(second) == sorted(
        ["notes.txt", "more/splats.ply", "points.npy", "preview.png", "splats.ply", "summary.json"]
    )
    assert second["notes.txt"] == second["more/splats.ply"] == b"mine"
    assert second["splats.ply"] != first["splats.ply"]


def test_a_failed_run_leaves_what_was_there(tmp_path: Path) -> None:
    with pytest.raises((InputError, ValueError)):
        broken(make_avatar()).save(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())
    make_avatar().save(tmp_path)
    before = contents(tmp_path)
    with pytest.raises((InputError, ValueError)):
        broken(make_avatar(1)).save(tmp_path, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("moves", range(9))
def test_an_interrupt_while_moving_leaves_what_was_there(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_avatar().save(tmp_path)
    before = contents(tmp_path)
    left = [moves]

    def interrupted(move: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: Any, **more: Any) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
            move(*arguments, **more)

        return step

    monkeypatch.setattr(os, "rename", interrupted(os.rename))
    monkeypatch.setattr(os, "link", interrupted(os.link))
    with pytest.raises(KeyboardInterrupt):
        make_avatar(1).save(tmp_path, overwrite=True)
    assert contents(tmp_path) == before


def test_a_full_disk_is_reported_in_one_line(tmp_path: Path) -> None:
    make_avatar().save(tmp_path)
    before = contents(tmp_path)
    with full_disk(20_000), pytest.raises(FastAvatarError) as caught:
        make_avatar(1).save(tmp_path, overwrite=True)
    assert str(caught.value) == f"cannot write {tmp_path}: file too large; choose another place or make room"
    assert caught.value.exit_code == 1
    assert contents(tmp_path) == before


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"cannot write to .*file: it is a file; give a folder$"):
        require_writable(tmp_path / "file")
    with pytest.raises(UsageError, match=r"cannot write to .*file/a/b: .*file is a file; give a folder$"):
        make_avatar().save(tmp_path / "file" / "a" / "b", overwrite=True)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_place_that_refuses_folders() -> None:
    with pytest.raises(FastAvatarError, match="^cannot write (to )?/proc/results: "):
        write_results(make_avatar(), Path("/proc/results"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FastAvatarError, match="permission denied; choose another folder"):
        require_writable(tmp_path / "results")


def test_checking_writes_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": 3}', '{"files": ["../notes.txt", "/etc/passwd", 7]}']
)
def test_a_strange_summary_names_nothing_else_as_results(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (folder / "summary.json").write_text(text)
    with pytest.raises(OverwriteError, match="holds summary.json, not written by this program"):
        make_avatar().save(folder, overwrite=True)
    assert contents(tmp_path) == {"notes.txt": b"mine", "results/summary.json": text.encode()}
