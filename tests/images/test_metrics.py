import ctypes
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastavatar.images import without_metrics
from tests.portraits import ROOT

TASK = (
    "import numpy as np; from fastavatar.images import person_mask; "
    "person_mask(np.zeros((9, 9, 3), np.uint8))"
)
UNGUARDED = (
    "import contextlib; from fastavatar.images import mediapipe_tasks; "
    "mediapipe_tasks.without_metrics = contextlib.nullcontext"
)


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy on this machine that passes nothing on and keeps the first line of each request."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Proxy)
        self.server.asked.append(self.rfile.readline())


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(*command: str, **variables: str) -> None:
    free = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    subprocess.run(command, env=free | variables, cwd=ROOT, check=True, capture_output=True)


def asked_by(program: str, proxy: Proxy) -> list[bytes]:
    """What a program asks a proxy for that the user has set."""
    run(sys.executable, "-c", program, https_proxy=f"http://127.0.0.1:{proxy.server_address[1]}")
    return proxy.asked


def test_a_task_sends_no_metrics_even_by_a_proxy_of_the_user(proxy: Proxy) -> None:
    assert asked_by(TASK, proxy) == []


def test_without_the_guard_mediapipe_sends_metrics(proxy: Proxy) -> None:
    """If this fails, the guard may have become unnecessary, or the other tests see nothing."""
    (line,) = asked_by(f"{UNGUARDED}; {TASK}", proxy)
    assert line.startswith(b"CONNECT play.googleapis.com:443 ")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_task_connects_to_nothing_and_resolves_no_name(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    calls = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(log)]
    run(*calls, sys.executable, "-c", TASK, NO_PROXY="*")
    assert "AF_INET" not in log.read_text() and "nscd" not in log.read_text()


def in_process(name: str) -> str | None:
    """A variable as code that is not Python reads it."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    value = getenv(name.encode())
    return None if value is None else str(value, "utf-8")


@pytest.mark.parametrize("own", ["http://127.0.0.1:1", None])
def test_the_proxy_of_the_user_comes_back_when_the_last_task_ends(
    own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    if own:
        monkeypatch.setenv("https_proxy", own)
    one, other = without_metrics(), without_metrics()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert in_process("https_proxy") == "off://metrics" and os.environ.get("https_proxy") == own
    other.__exit__(None, None, None)
    assert in_process("https_proxy") == own
