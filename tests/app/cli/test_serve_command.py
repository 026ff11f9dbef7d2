import socket
import sys
import time
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from fastavatar.app.cli.main import run
from tests.app.serve.serving import Json, png, send, serving, until
from tests.portraits import without_face


def test_a_host_for_other_machines_needs_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7"):
        assert run(["serve", "--host", host]) == 2
        said = capsys.readouterr().err
        assert (
            f"--host {host} gives other machines access: set a secret with --token" in said
            and said.count("\n") == 1
        )


def test_a_short_token_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--token", "short"]) == 2
    assert "at least 12 characters" in capsys.readouterr().err


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["serve", "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in said
    assert said.endswith("choose another port with --port\n")


def test_an_address_of_another_machine_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--host", "203.0.113.9", "--token", "twelve letters"]) == 2
    assert "is no address of this machine; choose another address with --host" in capsys.readouterr().err


def test_inputs_of_one_person_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--w_vector", str(tmp_path / "w.npy")]) == 2
    assert "--w_vector belongs to one person" in capsys.readouterr().err


def test_without_its_packages_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(["serve"]) == 1
    assert "pip install '.[serve]'" in capsys.readouterr().err


def until_gone(client: httpx2.Client, job: Json) -> None:
    for _ in range(1200):
        if client.get(f"/api/jobs/{job['id']}").status_code == 404:
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def test_results_expire_and_a_stopped_server_leaves_nothing(tmp_path: Path) -> None:
    """The server is also stopped in the middle of a job."""
    with serving(tmp_path, "--keep-minutes", "0") as server, httpx2.Client(base_url=server.url) as client:
        until_gone(client, send(client, png(Image.fromarray(without_face()))))
        assert not server.job_folders()
        until(client, send(client), "running")
        assert server.job_folders()
    assert server.process.returncode == 0
    assert not list(tmp_path.glob(".fastavatar.*"))
