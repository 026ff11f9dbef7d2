"""Starts a server in its own process, as a user does."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from tests.portraits import PORTRAIT, ROOT, picture
from tests.signals import signals_end_processes

PATIENCE_S = 120.0
Json = dict[str, Any]


WORKSPACES = ".fastavatar.*.partial"
"""Name of the temporary folders, as a pattern."""


@dataclass(frozen=True)
class Server:
    url: str
    process: "subprocess.Popen[str]"
    temporary: Path
    """Where its temporary folders lie."""

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1e3

    def job_folders(self) -> list[Path]:
        return [path for path in self.temporary.glob(f"{WORKSPACES}/*/*") if path.is_dir()]


@contextmanager
def serving(temporary: Path, *flags: str, program: Sequence[str] = ("-m", "fastavatar")) -> Iterator[Server]:
    """A server on a free port, until the block ends; `program` is what Python runs."""
    command = [sys.executable, *program, "serve", "--port", "0", "--model", "facemesh", *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    with signals_end_processes():
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"serving on (http://\S+)", line):
                break
        else:
            raise AssertionError(f"it does not serve: {said}")
        with open(temporary / "log", "w") as log, subprocess.Popen(["cat"], stdin=process.stderr, stdout=log):
            try:
                yield Server(found[1], process, temporary)
                process.send_signal(signal.SIGINT)
                process.wait(PATIENCE_S)
            finally:
                process.kill()  # here, since `cat` ends with the server
    finally:
        process.kill()
        process.wait()


def send(client: httpx2.Client, content: bytes | None = None, **choices: Any) -> Json:
    """Send a photo, by default the portrait, and return its job."""
    answer = client.post("/api/jobs", content=content or PORTRAIT.read_bytes(), params=choices)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/jobs/{job['id']}" and isinstance(job, dict)
    return job


def status(client: httpx2.Client, job: Json) -> Json:
    answer = client.get(f"/api/jobs/{job['id']}")
    assert answer.status_code == 200, answer.text
    now = answer.json()
    assert isinstance(now, dict)
    return now


def until(client: httpx2.Client, job: Json, *states: str, file: str | None = None) -> Json:
    """Wait until the job is in one of these states or has this file, and return it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        now = status(client, job)
        if now["state"] in states or file in now["files"]:
            return now
        time.sleep(0.1)
    raise AssertionError(f"not {states} after {PATIENCE_S} s: {now}")


def ended(client: httpx2.Client, job: Json) -> Json:
    return until(client, job, "done", "failed")


def until_idle(client: httpx2.Client) -> None:
    """Wait until no job runs, deleted ones included."""
    end = time.monotonic() + PATIENCE_S
    while client.get("/api/status").json()["running"]:
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.05)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def portrait_png(size_px: int) -> bytes:
    return png(picture().resize((size_px, size_px)))
