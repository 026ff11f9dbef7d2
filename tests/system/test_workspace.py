"""Photos and results never outlive the process that works on them, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fastavatar.system import alone_in
from fastavatar.system.workspace import delete_abandoned, workspace
from tests.portraits import ROOT

HOLDER = """
from fastavatar.system import workspace
with workspace() as folder:
    (folder / "photo").write_text("private")
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def holder(temporary: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A process that holds a workspace, and its folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(temporary: Path) -> None:
    with holder(temporary) as (_, living):
        with holder(temporary) as (killed, folder):
            assert delete_abandoned() == []
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            assert (folder / "photo").exists()
            assert delete_abandoned() == [folder.parent]
        assert not folder.exists() and (living / "photo").exists()


def test_results_can_be_written_in_a_workspace(temporary: Path) -> None:
    with workspace() as folder, alone_in(folder):
        (folder / "splats.ply").touch()
    assert not list(temporary.iterdir())


def test_what_is_no_workspace_stays(temporary: Path) -> None:
    names = ("fastavatar", "fastavatar-mine", ".fastavatar", ".fastavatar.mine", ".fastavatar.0123.partial")
    for name in names:
        (temporary / name).mkdir()
        (temporary / name / "thesis").touch()
    (temporary / ".fastavatar.01234567.partial").write_text("a file")
    (temporary / ".fastavatar.89abcdef.partial").symlink_to(temporary / "fastavatar")
    before = sorted(temporary.rglob("*"))
    with workspace():
        assert len(list(temporary.iterdir())) == 8
    assert delete_abandoned() == []
    assert sorted(temporary.rglob("*")) == before


def test_a_folder_that_ends_well_leaves_nothing(temporary: Path) -> None:
    with holder(temporary) as (process, folder):
        assert folder.parent.stat().st_mode & 0o077 == 0
        process.communicate("\n")
        assert process.returncode == 0 and not list(temporary.iterdir())
