"""`fastavatar predict`: a photo in, a folder of results out.

image ─ load_photo ─▶ Photo ─ predictor ─▶ Avatar ─ save ─▶ splats.ply, preview.png, summary.json
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.cli.options import device_option, log_options, path_option, published_options
from fastavatar.errors import UsageError

if TYPE_CHECKING:
    from fastavatar.avatar import Avatar
    from fastavatar.images.photo import Photo

log = logging.getLogger(__name__)

MODELS = ("auto", "facemesh", "fastavatar")
FRAMES = ("supersplat", "opencv", "head")


@click.command("predict")
@path_option("--image", "The photo.", required=True)
@path_option("--output_dir", "Where the results go.", default="results", show_default=True)
@click.option(
    "--model",
    default="auto",
    show_default=True,
    type=click.Choice(MODELS),
    help="`facemesh` needs no download, `fastavatar` are the published networks; `auto` takes these if their "
    "weights are in the cache or given.",
)
@device_option
@click.option(
    "--face", type=click.IntRange(min=0), help="Which face, from the left, from 0 [default: the largest]."
)
@click.option(
    "--focal_px",
    type=click.FloatRange(min=0, min_open=True),
    help="Focal length in pixels [default: from EXIF, else that of a 50 mm lens on full frame].",
)
@click.option(
    "--frame", default="supersplat", show_default=True, type=click.Choice(FRAMES), help="Axes of the PLY."
)
@click.option("--no_save_ply", is_flag=True, help="Write no splats.ply.")
@click.option("--turntable", is_flag=True, help="Write turntable.mp4 as well: one round about the head.")
@click.option("--force", is_flag=True, help="Replace results that are there.")
@click.option(
    "--seed", default=42, show_default=True, type=click.IntRange(min=0), help="Of every random choice."
)
@click.option("--optimize", is_flag=True, help="Refine the Gaussians on the photo itself; takes longer.")
@click.option("--iterations", type=click.IntRange(min=1), help="Steps of --optimize [default: 120].")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="End --optimize after so long, with the best so far.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads [default: all this process may use]."
)
@path_option("--cache_dir", "Where weights are kept [default: $FASTAVATAR_CACHE or ~/.cache/fastavatar].")
@click.option("--offline", is_flag=True, help="Fetch nothing.")
@published_options
@log_options
def command(
    image: Path,
    output_dir: Path,
    model: Any,
    device: str,
    face: int | None,
    focal_px: float | None,
    frame: Any,
    no_save_ply: bool,
    turntable: bool,
    force: bool,
    seed: int,
    optimize: bool,
    iterations: int | None,
    seconds: float | None,
    threads: int | None,
    cache_dir: Path | None,
    offline: bool,
    **published: Any,
) -> None:
    """Turn a photo into a 3D head: splats.ply, preview.png and summary.json."""
    started = datetime.now(UTC)
    given = {name: value for name, value in published.items() if value is not None}
    if model == "facemesh" and given:
        raise click.UsageError(f"--model facemesh does not take {', '.join('--' + name for name in given)}")

    if not optimize and (iterations or seconds):
        raise click.UsageError("--iterations and --seconds belong to --optimize")

    from fastavatar.export.results import TURNTABLE, require_writable
    from fastavatar.export.summary import Run
    from fastavatar.export.video import writer_of
    from fastavatar.images.photo import load_photo
    from fastavatar.models import load_predictor
    from fastavatar.models.choice import choose_device, choose_model
    from fastavatar.render.threads import limit_threads

    require_writable(output_dir, force)
    if turntable:
        writer_of(output_dir / TURNTABLE)  # before the work, where what it needs is not installed
    photo = load_photo(image)
    told = photo if focal_px is None else with_focal_length(photo, focal_px)
    limit_threads(threads)
    name, reason = choose_model(model, cache_dir, given)
    log.info("model %s: %s", name, reason)
    if name == "fastavatar":
        given |= {"cache_dir": cache_dir, "offline": offline}
    predictor = load_predictor(name, choose_device(device), seed=seed, **given)
    avatar = predictor.predict(told, face)
    if optimize:
        avatar = _optimized(avatar, iterations, seconds, seed, choose_device(device))
    avatar = replace(avatar, photo=photo)  # the summary tells the file's own focal length
    for warning in avatar.provenance.warnings:
        log.warning("%s", warning)
    avatar.save(
        output_dir,
        force,
        frame=frame,
        save_ply=not no_save_ply,
        turntable=turntable,
        run=Run(reason, started),
    )
    log.info("%d Gaussians in %s", len(avatar.gaussians), output_dir)


def _optimized(
    avatar: "Avatar", iterations: int | None, seconds: float | None, seed: int, device: str
) -> "Avatar":
    """The avatar refined on its own photo; Ctrl-C keeps the best so far."""
    from fastavatar.cli.progress import refinement_bar
    from fastavatar.refine import load_config, refine
    from fastavatar.refine.run import default_preset

    settings = load_config(default_preset(views=1)).overridden(iterations=iterations)
    log.info("refine …")
    with refinement_bar(settings.iterations) as on_step:
        return refine(avatar, None, settings, seconds=seconds, seed=seed, device=device, on_step=on_step)


def with_focal_length(photo: "Photo", focal_px: float) -> "Photo":
    """The photo as if its file told this focal length in pixels; raises `UsageError` where no lens has it."""
    from fastavatar.images.exif import CREDIBLE_FOCAL

    least, most = (share * max(photo.width, photo.height) for share in CREDIBLE_FOCAL)
    if not least <= focal_px <= most:
        raise UsageError(
            f"--focal_px {focal_px:g} is no lens's for {photo.width}×{photo.height} px: "
            f"give {least:.0f} to {most:.0f}"
        )
    return replace(photo, focal_px=focal_px)
