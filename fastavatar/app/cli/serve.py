"""`fastavatar serve`: a web page, and an API, that turn photos into heads."""

import logging
import secrets
import socket
import sys
from typing import Any

import click

from fastavatar.app.cli.numbers import PORT, finite
from fastavatar.app.cli.prediction import model_options, settings_of
from fastavatar.app.loading import load_ahead
from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.system import share_arenas

log = logging.getLogger(__name__)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=7860, show_default=True, type=PORT, help="Port; 0 takes a free one.")
@click.option(
    "--token",
    envvar="FASTAVATAR_TOKEN",
    help="Secret that callers must send; needed if other machines have access [default: $FASTAVATAR_TOKEN].",
)
@click.option(
    "--keep_minutes",
    default=30.0,
    show_default=True,
    type=finite(0, 1e6),
    help="Minutes after the end of a job until its results are deleted.",
)
@click.option(
    "--max_megabytes",
    default=50.0,
    show_default=True,
    type=finite(0, 500, above=True),
    help="Largest size of a photo's file.",
)
@click.option(
    "--max_megapixels",
    default=50.0,
    show_default=True,
    type=finite(0, 120, above=True),
    help="Largest number of pixels of a photo, in millions.",
)
@model_options
def command(
    host: str,
    port: int,
    token: str | None,
    keep_minutes: float,
    max_megabytes: float,
    max_megapixels: float,
    **flags: Any,
) -> None:
    """Turn photos into 3D heads on a web page, http://127.0.0.1:7860, one photo at a time.

    Photos and results lie in a temporary folder until --keep_minutes have passed or the server ends.
    """
    for name in ("embedding", "w_vector"):
        if flags[name] is not None:
            raise click.UsageError(f"--{name} belongs to one person; serve takes photos of many people")
    share_arenas()
    load_ahead()

    try:
        import uvicorn  # noqa: F401  # part of the extra `serve`: fails before the model is loaded

        from fastavatar.app.serve import (
            Access,
            Stopped,
            allowed_hosts,
            serve,
        )
    except ModuleNotFoundError as error:
        raise FastAvatarError(
            f"serving needs {error.name}: pip install '.[serve]' where the source is"
        ) from error
    from fastavatar.app.pipeline import Pipeline
    from fastavatar.app.serve import Limits
    from fastavatar.rendering import compile_kernels
    from fastavatar.results import Outputs

    require_safe(host, token)
    Outputs(turntable=True).require_possible()
    settings = settings_of(**flags)
    with bound(host, port) as listener:
        pipeline = Pipeline(settings)
        if pipeline.device == "cpu":
            compile_kernels()  # so that the first photo does not wait for it
        limits = Limits(keep_minutes, max_megabytes, max_megapixels)
        try:
            serve(pipeline, listener, limits, Access(allowed_hosts(host, token), token))
        except KeyboardInterrupt:
            log.info("stopped")
        except Stopped as stop:
            sys.exit(128 + stop.number)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; the errors of `bind`, with the flag that sets another address or port."""
    from fastavatar.app.serve import bind

    try:
        return bind(host, port)
    except UsageError as error:
        raise UsageError(f"{error} with --host") from error
    except FastAvatarError as error:
        raise FastAvatarError(f"{error} with --port") from error


def require_safe(host: str, token: str | None) -> None:
    """Raise `click.UsageError` if other machines would have access without a token, or the token is weak."""
    from fastavatar.app.serve import MIN_TOKEN_LENGTH, is_loopback

    if token is None and not is_loopback(host):
        raise click.UsageError(
            f"--host {host} gives other machines access: set a secret with --token, such as "
            f"{secrets.token_urlsafe(16)}"
        )
    if token is not None and len(token) < MIN_TOKEN_LENGTH:
        raise click.UsageError(f"--token must have at least {MIN_TOKEN_LENGTH} characters")
    if token is not None and not token.isprintable():
        raise click.UsageError("--token must have printable characters only")
