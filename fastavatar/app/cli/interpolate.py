"""`fastavatar interpolate`: walk between two people's W vectors."""

from pathlib import Path
from typing import Literal

import click

from fastavatar.app.cli.latents import HeadFiles, files_of_person, heads_options, open_decoder
from fastavatar.app.cli.numbers import FILE, count


@click.command("interpolate")
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option(
    "--steps", type=count(2, 1000), default=10, show_default=True, help="Number of heads, both ends included."
)
@heads_options("interpolation")
def command(
    a: Path,
    b: Path,
    steps: int,
    output_dir: Path,
    decoder_checkpoint: Path | None,
    cache_dir: Path | None,
    offline: bool,
    frame: Literal["supersplat", "opencv", "head"],
    force: bool,
) -> None:
    """Write one PLY per step on the way from A to B, each a results folder or a .npy file with a W vector.

    A results folder also gives the points; a .npy file is decoded at the mean head's points. Either all files
    are written or none.
    """
    names = [f"step_{step:0{len(str(steps - 1))}d}.ply" for step in range(steps)]
    files = HeadFiles(output_dir, names, "fastavatar interpolate", force, frame)
    files.require([*files_of_person(a), *files_of_person(b), *filter(None, [decoder_checkpoint])])
    from fastavatar.models.published import interpolate

    decoder = open_decoder(decoder_checkpoint, cache_dir, offline)
    files.write(interpolate(decoder.folded, decoder.person(a), decoder.person(b), steps))
