"""A bound port, and the web server behind it until somebody stops it."""

import errno
import logging
import os
import socket
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve.access import Access
from fastavatar.app.serve.app import create_app
from fastavatar.app.serve.limits import Limits
from fastavatar.app.serve.service import Service
from fastavatar.errors import FastAvatarError, UsageError

MAX_CONNECTIONS = 256
CLOSING_S = 3
"""For answers on their way when the server stops."""

log = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; raises in one line when the address is taken, forbidden or nobody's."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except (socket.gaierror, UnicodeError) as error:  # the second for names that DNS cannot hold
        raise UsageError(f"--host {host} is no address of this machine") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"--host {host} is no address of this machine") from error
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise FastAvatarError(f"cannot listen on {host}:{port}: {reason}; choose another --port") from error


def address(listener: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(pipeline: Pipeline, listener: socket.socket, limits: Limits, access: Access) -> None:
    """Answer on `listener` until SIGINT or SIGTERM; photos and results are gone afterwards."""
    with (
        TemporaryDirectory(prefix="fastavatar-serve-", ignore_cleanup_errors=True) as folder,
        closing(Service(pipeline, Path(folder), limits)) as service,
    ):
        config = uvicorn.Config(
            create_app(service, access),
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=CLOSING_S,
        )
        log.info("serving on %s (Ctrl-C stops it)", address(listener))
        uvicorn.Server(config).run(sockets=[listener])
