"""`fastavatar weights`: fetches, checks, finds and converts the published weights, or makes random ones."""

import logging
from contextlib import suppress
from pathlib import Path

import click

from fastavatar.app.cli.numbers import FILE, FILE_AS_TEXT, FOLDER, SEED
from fastavatar.app.cli.options import path_option
from fastavatar.app.cli.outputs import require_outputs
from fastavatar.errors import OverwriteError, UsageError, WeightsError

log = logging.getLogger(__name__)

_CACHE = path_option(
    "--cache_dir", "Cache folder [default: $FASTAVATAR_CACHE, $CACHE_DIR or ~/.cache/fastavatar]."
)


@click.group("weights")
def command() -> None:
    """Fetch, check and find the published FastAvatar weights.

    The weights, and InsightFace's models, which `fetch` gets too, may not be used for every purpose: see the
    README.
    """


@command.command()
@_CACHE
@click.option(
    "--url", help="Fetch the zip file from here [default: $FASTAVATAR_WEIGHTS_URL or Google Drive]."
)
@click.option("--from", "archive", type=FILE, help="Use this zip file instead.")
@click.option(
    "--face_pack", type=FILE_AS_TEXT, default="buffalo_l", show_default=True, help="InsightFace pack."
)
@click.option("--face_pack_url", help="Fetch the pack's zip file from here.")
@click.option("--no_face_pack", is_flag=True, help="Do not fetch a pack.")
@click.option("--offline", is_flag=True, help="Fetch nothing: fail unless everything is there.")
@click.option("--force", is_flag=True, help="Fetch again even if the files are there.")
def fetch(
    cache_dir: Path | None,
    url: str | None,
    archive: Path | None,
    face_pack: str,
    face_pack_url: str | None,
    no_face_pack: bool,
    offline: bool,
    force: bool,
) -> None:
    """Fetch the weights (about 1.5 GB) and InsightFace's pack; continues an interrupted download.

    All files are read and checked before they replace existing ones.
    """
    from fastavatar.models.published import require_networks
    from fastavatar.system import cache_folder
    from fastavatar.weights import ensure_face_pack, store

    cache = cache_folder(cache_dir)
    if offline and force:
        raise UsageError("--offline and --force exclude each other")
    if offline and archive is None:
        found = store.ensure(cache, offline, require_networks)
    else:
        found = store.fetch(cache, require_networks, store.Source(archive, url), force)
    click.echo(found.dino.parent)
    if not no_face_pack:
        click.echo(ensure_face_pack(face_pack, offline, face_pack_url))


@command.command()
@_CACHE
def check(cache_dir: Path | None) -> None:
    """Load all weights, compare them with the files first used, and print each SHA-256 and file."""
    import torch

    from fastavatar.models.published import load_networks, require_networks
    from fastavatar.system import cache_folder
    from fastavatar.weights import manifest, store

    found = store.check(cache_folder(cache_dir), read_all=True)
    require_networks(found)
    for path, digest in zip(found.paths(), manifest.verify(found.paths()).values(), strict=True):
        click.echo(f"{digest}  {path}")
    for how in load_networks(found, torch.device("cpu")).made_up:
        log.warning("%s", how)


@command.command("path")
@_CACHE
def path_(cache_dir: Path | None) -> None:
    """Print the folder of the weights, whether or not they are there yet."""
    from fastavatar.system import cache_folder
    from fastavatar.weights import weights_folder

    click.echo(weights_folder(cache_folder(cache_dir)))


@command.command()
@click.argument("checkpoints", nargs=-1, required=True, type=FILE)
@path_option("--output_dir", "Output folder [default: the folder of each checkpoint].")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def convert(checkpoints: tuple[Path, ...], output_dir: Path | None, force: bool) -> None:
    """Write CHECKPOINTS (.pth) as safetensors, which cannot hold code, under the same names."""
    from fastavatar.system import replacing_all
    from fastavatar.weights import read_checkpoint, write_safetensors

    targets = [(output_dir or source.parent) / f"{source.stem}.safetensors" for source in checkpoints]
    require_outputs(targets, force, checkpoints)
    found = [read_checkpoint(source) for source in checkpoints]
    with replacing_all(targets, overwrite=force) as partials:
        for checkpoint, partial in zip(found, partials, strict=True):
            write_safetensors(checkpoint, partial)
    for target in targets:
        click.echo(target)


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
@click.option("--force", is_flag=True, help="Replace checkpoints that exist.")
def random(folder: Path, seed: int, force: bool) -> None:
    """Write checkpoints of the published layout with random numbers into FOLDER, for tests and benchmarks.

    They are marked as made up, and so is every prediction made with them.
    """
    from fastavatar.models.published import write_made_up
    from fastavatar.weights import STEMS, SUFFIXES, read_checkpoint

    targets = [folder / f"{stem}{suffix}" for stem in STEMS.paths() for suffix in SUFFIXES]
    require_outputs(targets, force)
    for there in filter(Path.exists, targets):
        with suppress(WeightsError):
            if read_checkpoint(there).made_up is not None:
                continue
        raise OverwriteError(f"{there} was not made up by this command: choose another folder")
    for path in write_made_up(folder, seed, overwrite=force).paths():
        click.echo(path)
