"""`fastavatar edit`: change an attribute of a person by moving W along a direction."""

from pathlib import Path
from typing import Literal

import click

from fastavatar.app.cli.latents import HeadFiles, files_of_person, heads_options, open_decoder
from fastavatar.app.cli.numbers import FILE, finite


@click.command("edit")
@click.option(
    "--w_vector",
    type=FILE,
    required=True,
    help="The person: a .npy file with a W vector, or a results folder, whose points are taken too.",
)
@click.option(
    "--direction",
    "directions",
    type=FILE,
    required=True,
    multiple=True,
    help="Direction in W, as `fastavatar directions fit` writes it; repeat for several.",
)
@click.option(
    "--strength",
    "strengths",
    type=finite(-1000, 1000),
    multiple=True,
    help="How far to go, in standard deviations of the people the direction was fitted to; negative goes the "
    "other way. Once for all directions, or once for each, in their order [default: 1].",
)
@heads_options("edited")
def command(
    w_vector: Path,
    directions: tuple[Path, ...],
    strengths: tuple[float, ...],
    output_dir: Path,
    decoder_checkpoint: Path | None,
    cache_dir: Path | None,
    offline: bool,
    frame: Literal["supersplat", "opencv", "head"],
    force: bool,
) -> None:
    """Write `edited.ply`, the head of a person whose W is moved along one or more directions.

    A results folder also gives the points, which stay; a .npy file is decoded at the mean head's points.
    """
    if len(strengths) > 1 and len(strengths) != len(directions):
        raise click.UsageError(
            f"{len(strengths)} strengths for {len(directions)} directions: give one, or one for each"
        )
    files = HeadFiles(output_dir, ["edited.ply"], "fastavatar edit", force, frame)
    files.require([*files_of_person(w_vector), *directions, *filter(None, [decoder_checkpoint])])
    import torch

    from fastavatar.models.published import decoded
    from fastavatar.weights import read_vector

    decoder = open_decoder(decoder_checkpoint, cache_dir, offline)
    person = decoder.person(w_vector)
    factors = strengths if len(strengths) == len(directions) else (strengths or (1.0,)) * len(directions)
    for path, strength in zip(directions, factors, strict=True):
        direction = torch.from_numpy(read_vector(path, decoder.w_size, "direction in W"))
        person = person.moved(strength * direction)
    files.write(iter([decoded(decoder.folded, person)]))
