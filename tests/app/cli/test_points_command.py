import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from fastavatar.app.cli.main import run


@pytest.fixture
def truth(tmp_path: Path) -> str:
    np.savez(tmp_path / "truth.npz", points=np.zeros((2, 3)))
    return str(tmp_path / "truth.npz")


def said_in_one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_checkpoint_and_an_image_need_each_other(truth: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["points", truth, "--image", "me.jpg"]) == 2
    assert "--checkpoint and --image need each other" in said_in_one_line(capsys)
    assert run(["points", truth, truth, "--image", "me.jpg", "--checkpoint", "model.pt"]) == 2
    assert "either a file or what --checkpoint makes" in said_in_one_line(capsys)


def test_without_its_package_it_says_what_to_install(
    truth: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    assert run(["points", truth]) == 2
    assert "pip install '.[viewer]'" in said_in_one_line(capsys)


def test_a_file_that_cannot_be_read_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("viser")
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    assert run(["points", str(tmp_path / "bad.npz"), "--port", "0"]) == 4
    assert "bad.npz" in said_in_one_line(capsys)


def test_a_port_in_use_is_reported(truth: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("viser")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["points", truth, "--port", str(taken.getsockname()[1])]) == 1
    assert said_in_one_line(capsys).endswith("choose another port with --port\n")


def test_an_address_of_another_machine_is_refused(truth: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("viser")
    assert run(["points", truth, "--host", "203.0.113.9"]) == 2
    assert "choose another address with --host" in said_in_one_line(capsys)
