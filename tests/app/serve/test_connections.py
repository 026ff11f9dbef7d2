"""Clients that hold connections, send slowly or stop sending, while others want an answer."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx2
import pytest

from fastavatar.app.serve.connections import MAX_CONNECTIONS, REQUEST_S, STALLED_S
from fastavatar.app.serve.uploads import GRACE_S
from tests.app.serve.serving import Server, portrait_png, send, serving

PATIENCE_S = 3.0
IMPATIENT = f"""
from fastavatar.app.cli.main import main
from fastavatar.app.serve import connections, uploads
connections.REQUEST_S = connections.STALLED_S = uploads.GRACE_S = {PATIENCE_S}
main()
"""
"""The program with 3 s in place of 10 for a silent client and for one that begins to send."""
LONGEST_S = 10.0
"""More than twice what a silent client is given, and what 50 kB may take at the slowest speed."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("connections")
    with serving(folder, "--max_megabytes", "1", program=("-c", IMPATIENT)) as started:
        yield started


def connected(server: Server) -> socket.socket:
    where = urlsplit(server.url)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=LONGEST_S)


def head_of_upload(server: Server, length: int) -> bytes:
    host = urlsplit(server.url).netloc
    return f"POST /api/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode()


def bytes_on_disk(server: Server) -> int:
    return sum(path.stat().st_size for path in server.temporary.rglob("photo"))


def most_on_disk(server: Server, enough: int) -> int:
    """The most bytes that were on the disk until there were `enough`, or for two seconds."""
    most, end = 0, time.monotonic() + 2
    while most < enough and time.monotonic() < end:
        most = max(most, bytes_on_disk(server))
        time.sleep(0.02)
    return most


def has_ended(connection: socket.socket) -> bool:
    """Whether the server has closed or reset it, after an answer or without."""
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_idle_connections_do_not_keep_others_out(server: Server) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS + 60):
            stack.enter_context(connected(server))
        for _ in range(3):
            assert httpx2.get(f"{server.url}/api/status", timeout=5).status_code == 200
        assert httpx2.post(f"{server.url}/api/jobs", content=b"GIF89a", timeout=5).status_code == 422


def test_silent_and_slow_connections_are_closed(server: Server) -> None:
    assert REQUEST_S == STALLED_S == GRACE_S == 10, "what users have"
    host = urlsplit(server.url).netloc
    parts = {
        # what is sent at once, and what every second after it
        "silent": (b"", b""),
        "head in drops": (b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\nX-A: ", b"a"),
        "body stalled": (head_of_upload(server, 900_000) + bytes(500_000), b""),
        "body in drops": (head_of_upload(server, 900_000) + bytes(50_000), b"a"),
        "token in drops": (
            f"POST /token HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4000\r\n\r\n".encode(),
            b"",
        ),
        "body nobody reads": (
            f"GET /api/status HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4000\r\n\r\n".encode(),
            b"a",
        ),
    }
    with ExitStack() as stack:
        open_ones = {name: stack.enter_context(connected(server)) for name in parts}
        for name, connection in open_ones.items():
            connection.sendall(parts[name][0])
        assert most_on_disk(server, 550_000) >= 550_000
        end = time.monotonic() + LONGEST_S
        while open_ones and time.monotonic() < end:
            time.sleep(0.5)
            for name in list(open_ones):
                try:
                    open_ones[name].setblocking(True)
                    open_ones[name].sendall(parts[name][1])
                except OSError:
                    pass
                if has_ended(open_ones[name]):
                    del open_ones[name]
        assert not open_ones
    assert bytes_on_disk(server) == 0 and not server.job_folders()


def test_stalled_uploads_fill_the_disk_only_so_far(server: Server) -> None:
    """More than ten of the largest photos are refused; there is room again when these end."""
    with ExitStack() as stack:
        for _ in range(14):
            connection = stack.enter_context(connected(server))
            connection.sendall(head_of_upload(server, 1_000_000) + bytes(960_000))
        assert 5_000_000 < most_on_disk(server, 10_000_001) <= 10_000_000
    for _ in range(100):
        if not server.job_folders():
            break
        time.sleep(0.1)
    assert not server.job_folders()
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        client.delete(f"/api/jobs/{send(client, portrait_png(128))['id']}")


def test_a_photo_over_a_slow_line_arrives(server: Server) -> None:
    """The upload takes longer, with pauses, than a silent client may take."""
    photo = portrait_png(600)
    assert 300_000 < len(photo) < 1_000_000
    with connected(server) as connection:
        connection.sendall(head_of_upload(server, len(photo)))
        step = len(photo) // 4 + 1
        for start in range(0, len(photo), step):
            time.sleep(0.3 * PATIENCE_S)
            connection.sendall(photo[start : start + step])
        assert connection.recv(4096).startswith(b"HTTP/1.1 202 ")
