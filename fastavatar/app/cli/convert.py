"""`fastavatar convert`: writes a file of Gaussians in another format or frame."""

import logging
from pathlib import Path
from typing import Literal

import click

from fastavatar.app.cli.numbers import FILE
from fastavatar.app.cli.outputs import require_outputs

log = logging.getLogger(__name__)

# Named here so that `--help` need not import torch; `fastavatar.formats.splats.frames.FRAMES` holds the same.
FRAMES = ("supersplat", "opencv", "head")


@click.command("convert")
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="OUT", type=FILE)
@click.option(
    "--frame_in", type=click.Choice(FRAMES), help="Axes of IN [default: the axes it states, else supersplat]."
)
@click.option(
    "--frame", type=click.Choice(FRAMES), default="supersplat", show_default=True, help="Axes of OUT."
)
@click.option("--force", is_flag=True, help="Replace OUT.")
def command(
    source: Path,
    target: Path,
    frame_in: Literal["supersplat", "opencv", "head"] | None,
    frame: Literal["supersplat", "opencv", "head"],
    force: bool,
) -> None:
    """Write the 3D head in IN to OUT, whose ending chooses the format.

    .ply and .npz keep everything. .compressed.ply, .sog and .spz round values. .splat rounds values and drops
    how colours change with the view. .glb is for tools that read KHR_gaussian_splatting, .html is a page to
    open in a browser without network; these two can only be written. .ksplat can only be read. Losses are
    listed on stderr.
    """
    from fastavatar.formats import format_of, read_gaussians, write_gaussians

    format_of(target)
    require_outputs([target], force, [source])
    gaussians = read_gaussians(source, frame_in)
    for loss in write_gaussians(gaussians, target, frame, overwrite=force):
        log.warning("%s: %s", target, loss)
    log.info("%d Gaussians in %s", len(gaussians), target)
