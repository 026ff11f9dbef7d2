"""The image's HEALTHCHECK, with real servers and with commands that do not serve."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.app.serve.serving import Server
from tests.portraits import ROOT

STARTED = ("tini", "-s", "--", "/opt/fastavatar/docker/entrypoint.sh")


def exit_code(folder: Path, *words: str) -> int:
    command_line = folder / "cmdline"
    command_line.write_bytes(b"".join(word.encode() + b"\0" for word in words))
    script = ROOT / "docker" / "healthcheck.py"
    return subprocess.run([sys.executable, "-IS", script, command_line], check=False).returncode


@pytest.mark.parametrize(
    "words",
    [
        (*STARTED, "predict", "--image", "serve"),
        (*STARTED, "fastavatar", "batch", "--image", "serve"),
        STARTED,
        ("sh",),
        ("/sbin/init",),
    ],
)
def test_a_container_that_does_not_serve_is_healthy(words: tuple[str, ...], tmp_path: Path) -> None:
    assert exit_code(tmp_path, *words) == 0


def test_a_server_is_healthy_while_it_answers(server: Server, tmp_path: Path) -> None:
    port = str(urlsplit(server.url).port)
    for words in (("serve", "--port", port), ("fastavatar", "serve", "--host=0.0.0.0", f"--port={port}")):
        assert exit_code(tmp_path, *STARTED, *words) == 0
        assert exit_code(tmp_path, "/sbin/docker-init", "--", *STARTED, *words) == 0
    assert exit_code(tmp_path, *STARTED, "serve", "--port", "1") == 1
