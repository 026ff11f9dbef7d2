"""A bound port, and the web server behind it."""

import errno
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve import MAX_CONNECTIONS, Access, Limits, PatientProtocol, Service, create_app
from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.system import workspace

ALSO_STOPPING = ("SIGHUP", "SIGQUIT")
"""A closing terminal sends the first, Ctrl-\\ the second; uvicorn itself handles SIGINT and SIGTERM."""
CLOSING_S = 3
"""Time for unfinished answers when the server stops."""

log = logging.getLogger(__name__)


class Stopped(Exception):
    """A signal ended the server; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises `UsageError` for a host that is no address of this machine, `FastAvatarError` for a port that
    cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except (socket.gaierror, UnicodeError) as error:  # the second for names that DNS cannot hold
        raise UsageError(_foreign(host)) from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(_foreign(host)) from error
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise FastAvatarError(f"cannot listen on {host}:{port}: {reason}; choose another port") from error


def _foreign(host: str) -> str:
    return f"cannot listen on {host}: it is no address of this machine; choose another address"


def address(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(pipeline: Pipeline, listener: socket.socket, limits: Limits, access: Access) -> None:
    """Answer requests on `listener` until a signal asks to stop; photos and results are deleted then."""
    with workspace() as folder, closing(Service(pipeline, folder, limits)) as service:
        config = uvicorn.Config(
            create_app(service, access),
            http=PatientProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=CLOSING_S,
        )
        server = uvicorn.Server(config)
        log.info("serving on %s (Ctrl-C stops it)", address(listener))
        with _stopping(server):
            server.run(sockets=[listener])


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """While the block runs, let signals that uvicorn does not handle stop it as SIGTERM does.

    A second signal ends the process at once. Raises `Stopped` after the first.
    """
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        asked.append(number)
        server.should_exit = True
        signal.signal(number, signal.SIG_DFL)

    numbers = [getattr(signal, name) for name in ALSO_STOPPING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise Stopped(asked[0])
