"""Photos and results never outlive their server, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.app.serve.serving import WORKSPACES, send, serving, until
from tests.portraits import ROOT

DIES = """
import os, signal
from fastavatar.system import workspace
with workspace() as folder:
    (folder / "photo").write_text("private")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGTERM"])
def test_a_server_that_a_signal_ends_leaves_nothing(name: str, tmp_path: Path) -> None:
    number = getattr(signal, name)
    with serving(tmp_path) as server, httpx2.Client(base_url=server.url) as client:
        until(client, send(client), "running")
        assert server.job_folders()
        server.process.send_signal(number)
        assert server.process.wait(60) == 128 + number
        assert not list(tmp_path.glob(WORKSPACES))


def test_a_server_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", DIES], cwd=ROOT, env=environment, check=False)
    (left,) = tmp_path.glob(WORKSPACES)
    assert (left / "work" / "photo").exists()
    with serving(tmp_path):
        assert not left.exists() and len(list(tmp_path.glob(WORKSPACES))) == 1
