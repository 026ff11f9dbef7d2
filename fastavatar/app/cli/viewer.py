"""`fastavatar viewer`: builds the viewer page that is the template of `.html` files."""

import logging

import click

log = logging.getLogger(__name__)


@click.command("viewer")
def command() -> None:
    """Build the viewer page, the template of .html files.

    This is needed once. It uses npm and the network to fetch PlayCanvas' viewer, with pinned version and
    hash, and keeps the page in the installed package. `make setup` and the image build run it.
    """
    from fastavatar.formats.html import TEMPLATE, build_viewer

    build_viewer()
    log.info("viewer page built: %s", TEMPLATE)
