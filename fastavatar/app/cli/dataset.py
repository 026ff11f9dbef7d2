"""`fastavatar dataset`: makes data to train networks on."""

import click


@click.group("dataset")
def command() -> None:
    """Make data to train networks on."""
