"""Photos and results never outlive their server, however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from fastavatar.app.serve.workspace import MARKER, PREFIX, delete_abandoned
from tests.app.serve.serving import send, serving, until
from tests.portraits import ROOT

HOLDER = """
from fastavatar.app.serve.workspace import workspace
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


def test_the_folder_of_a_killed_server_goes_and_that_of_a_living_one_stays(temporary: Path) -> None:
    with holder(temporary) as (_, living):
        with holder(temporary) as (killed, folder):
            assert delete_abandoned() == []
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            assert (folder / "photo").exists()
            assert delete_abandoned() == [folder]
        assert not folder.exists() and (living / "photo").exists()


def test_folders_that_no_server_made_stay(temporary: Path) -> None:
    (temporary / f"{PREFIX}mine").mkdir()
    (temporary / f"{PREFIX}mine" / "thesis").touch()
    (temporary / f"{PREFIX}file").touch()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARKER).touch()
    (temporary / f"{PREFIX}link").symlink_to(elsewhere)
    trap = temporary / f"{PREFIX}trap"
    trap.mkdir()
    (trap / MARKER).symlink_to(elsewhere / MARKER)
    assert delete_abandoned() == []
    assert len(list(temporary.iterdir())) == 5


def test_a_workspace_is_deleted_at_the_end(temporary: Path) -> None:
    with holder(temporary) as (process, folder):
        assert folder.stat().st_mode & 0o077 == 0
        process.communicate("\n")
        assert process.returncode == 0 and not list(temporary.iterdir())


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGTERM"])
def test_a_server_that_a_signal_ends_leaves_nothing(name: str, tmp_path: Path) -> None:
    number = getattr(signal, name)
    with serving(tmp_path) as server, httpx2.Client(base_url=server.url) as client:
        until(client, send(client), "running")
        assert server.job_folders()
        server.process.send_signal(number)
        assert server.process.wait(60) == 128 + number
        assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_server_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    with holder(tmp_path) as (killed, folder):
        killed.kill()
        killed.wait()
        with serving(tmp_path):
            assert not folder.exists() and len(list(tmp_path.glob(f"{PREFIX}*"))) == 1
