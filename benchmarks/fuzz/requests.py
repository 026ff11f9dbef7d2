"""Sends malformed, absurd and truncated requests to a running server."""

import json
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from benchmarks.fuzz.judge import MEMORY_MB, Tally
from benchmarks.fuzz.mutations import mutated
from benchmarks.fuzz.sources import ROOT

ANSWER_S = 10.0
PATHS = (
    "/",
    "/api/jobs",
    "/api/jobs/x",
    "/api/jobs/x/files/splats.ply",
    "/openapi.json",
    "/../etc/passwd",
    "/%00",
)
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW", "")
VALUES = ("0", "-1", "nan", "inf", "1e309", "²", "%ff", "9" * 400, "true", "", "1; DROP", "../../x", "null")


def attack_server(count: int, rng: random.Random, photo: bytes, folder: Path) -> Tally:
    """Send `count` requests; faults are late answers, status 500, a traceback in the log, too much memory."""
    tally = Tally()
    log = folder / "server.log"
    command = [sys.executable, "-m", "fastavatar", "serve", "--port", "0", "--model", "facemesh"]
    with log.open("w") as written:
        server = subprocess.Popen(command, stderr=written, cwd=ROOT)
        try:
            host, port = _address(log)
            for number in range(count):
                request = _request(rng, photo, f"{host}:{port}")
                faults, code = _answer(host, port, request, cut=rng.random() < 0.1)
                tally.add(f"request {number} {request[:60]!r}", code, faults)
            if _resident_mb(server.pid) > MEMORY_MB:
                tally.add("the server's memory", None, ["over 2 GB"])
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(60)
    if "Traceback" in log.read_text("utf-8", "replace"):
        tally.add("the server's log", None, ["traceback"])
    return tally


def _address(log: Path) -> tuple[str, int]:
    for _ in range(600):
        found = re.search(r"serving on http://([\d.]+):(\d+)", log.read_text("utf-8", "replace"))
        if found:
            return found[1], int(found[2])
        signal.sigtimedwait([], 0.2)
    raise RuntimeError(f"the server does not start: {log.read_text()}")


def _request(rng: random.Random, photo: bytes, host: str) -> bytes:
    """A request that is damaged, absurd or unusual."""
    body = rng.choice((b"", b"{}", json.dumps({"id": "x" * 1000}).encode(), mutated(photo, rng), photo[:500]))
    query = "&".join(
        f"{name}={rng.choice(VALUES)}" for name in rng.sample(("face", "focal_px", "optimize", "name"), 2)
    )
    length = rng.choice((str(len(body)), str(len(body)), str(len(body)), "²", "-1", "99999999999", "1e3", ""))
    lines = [
        f"{rng.choice(METHODS)} {rng.choice(PATHS)}?{query} HTTP/1.1",
        f"Host: {rng.choice((host, host, host, 'evil.example', '', 'x' * 5000))}",
        f"Content-Length: {length}",
        rng.choice(
            ("Connection: close", "Origin: http://evil.example", "Range: bytes=9-1", "X: " + "y" * 9000)
        ),
        rng.choice(("Transfer-Encoding: chunked", "Accept: */*", "Content-Type: text/\xff")),
    ]
    request = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body
    return mutated(request, rng) if rng.random() < 0.3 else request


def _answer(host: str, port: int, request: bytes, cut: bool) -> tuple[list[str], int | None]:
    """Faults of the answer to a request, and its status; a truncated request needs no answer."""
    with socket.create_connection((host, port), timeout=ANSWER_S) as connection:
        try:
            connection.sendall(request[: len(request) // 2] if cut else request)
            if cut:
                return [], None
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except TimeoutError:
            return ["hang"], None
        except OSError:  # the server closed the connection, which is a right answer to nonsense
            return [], None
    found = re.match(rb"HTTP/1\.\d (\d{3})", answer)
    status = int(found[1]) if found else None
    return (["wrong exit code"] if status == 500 else []), status


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000
