"""`fastavatar dataset`: makes data to train networks on."""

import logging
from pathlib import Path

import click

from fastavatar.app.cli.numbers import FOLDER, SEED, count

log = logging.getLogger(__name__)


@click.group("dataset")
def command() -> None:
    """Make data to train networks on."""


@command.command("surfaces")
@click.option("--meshes", required=True, type=FOLDER, help="Folder of captures with a mesh.npz each.")
@click.option("--output", required=True, type=FOLDER, help="Folder of the subjects; may be that of --meshes.")
@click.option(
    "--points", default=500_000, show_default=True, type=count(1, 10_000_000), help="Points of each set."
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Random seed.")
def surfaces(meshes: Path, output: Path, points: int, seed: int) -> None:
    """Add signed-distance samples to captures: what `train surface` learns from.

    Each subject gets a surface.npz of 25 MB with points on and closely about the surface and as many all
    around. A run that was stopped goes on where it was; the same seed gives the same bytes.
    """
    from fastavatar.train.surfaces import make_all

    made = make_all(
        meshes, output, seed, points, on_subject=lambda name: log.info("%s has its samples", name)
    )
    log.info("%d subjects in %s", made, output)
