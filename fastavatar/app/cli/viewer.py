"""`fastavatar viewer`: build the page that `.html` files are made of."""

import logging

import click

log = logging.getLogger(__name__)


@click.command("viewer")
def command() -> None:
    """Build the page that .html files are made of.

    Needs npm and the network, once: it fetches PlayCanvas' viewer, its version and hash pinned. The page is
    kept in the installed package; `make setup` and an image build see to it.
    """
    from fastavatar.formats.html import TEMPLATE, build_viewer

    build_viewer()
    log.info("viewer page built: %s", TEMPLATE)
