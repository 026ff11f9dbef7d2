"""`fastavatar interpolate`: walk between two people's W vectors."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from fastavatar.app.cli.numbers import FILE, count
from fastavatar.app.cli.options import path_option
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.errors import OverwriteError

if TYPE_CHECKING:
    from fastavatar.models.published import End

log = logging.getLogger(__name__)

MARK = "fastavatar interpolate"
"""A comment in every PLY file of this command, by which later runs know that they may replace it."""
_HEADER_BYTES = 8192
"""Our header takes 1.5 kB."""


@click.command("interpolate")
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option(
    "--steps", type=count(2, 1000), default=10, show_default=True, help="Number of heads, both ends included."
)
@path_option("--output_dir", "Where the PLY files go.", default="interpolation", show_default=True)
@path_option("--decoder_checkpoint", "Decoder of the published networks [default: from the cache].")
@path_option("--cache_dir", "Where weights are kept [default: $FASTAVATAR_CACHE or ~/.cache/fastavatar].")
@click.option("--offline", is_flag=True, help="Do not fetch weights.")
@click.option(
    "--frame",
    type=click.Choice(["supersplat", "opencv", "head"]),
    default="supersplat",
    show_default=True,
    help="Axes of the PLY files.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
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
    import torch

    from fastavatar.formats.splats import write_ply
    from fastavatar.models.published import fold, interpolate, load_decoder, require_networks
    from fastavatar.results import staged
    from fastavatar.system import cache_folder, refusals_in_one_line
    from fastavatar.weights import ensure, read_checkpoint

    names = [f"step_{step:0{len(str(steps - 1))}d}.ply" for step in range(steps)]
    targets = [output_dir / name for name in names]
    require_outputs(targets, force, [*files_of_end(a), *files_of_end(b), *filter(None, [decoder_checkpoint])])
    require_own(targets)
    path = decoder_checkpoint or ensure(cache_folder(cache_dir), offline, require_networks).decoder
    checkpoint = read_checkpoint(path)
    with torch.inference_mode():
        decoder = fold(load_decoder(checkpoint.state, str(path), frozen=True))
    if checkpoint.made_up:
        log.warning(
            "MADE-UP WEIGHTS: these heads show no real people, because the decoder holds %s",
            checkpoint.made_up,
        )
    start, end = (read_end(path, decoder.w_weight.shape[1], len(decoder.from_embeddings)) for path in (a, b))
    with refusals_in_one_line(output_dir), staged(output_dir, names if force else ()) as staging:
        for name, gaussians in zip(names, interpolate(decoder, start, end, steps), strict=True):
            write_ply(gaussians, staging / name, frame, [MARK])
    for target in targets:
        click.echo(target)


def read_end(path: Path, w_size: int, points: int) -> "End":
    """W, and the points if there are any, from a results folder or a .npy file."""
    import torch

    from fastavatar.models.published import End
    from fastavatar.weights import read_array, read_vector

    if not path.is_dir():
        return End(torch.from_numpy(read_vector(path, w_size, "W vector"))[None])
    w = torch.from_numpy(read_vector(path / "w_vector.npy", w_size, "W vector"))[None]
    if not (path / "dino_points.npy").exists():
        return End(w)
    return End(w, torch.from_numpy(read_array(path / "dino_points.npy", "points", ((points, 3),))))


def files_of_end(path: Path) -> list[Path]:
    """The files that `read_end` reads."""
    return [path / name for name in ("w_vector.npy", "dino_points.npy")] if path.is_dir() else [path]


def require_own(targets: Sequence[Path]) -> None:
    """Raise `OverwriteError` where one of the files is there and this command did not write it."""
    for target in filter(Path.exists, targets):
        with target.open("rb") as file:
            if f"\ncomment {MARK}\n".encode() not in file.read(_HEADER_BYTES):
                raise OverwriteError(
                    f"{target} was not written by this command: move it away, or choose another folder"
                )
