"""`fastavatar refine`: Gaussians drawn closer to the views of a capture.

capture ─ start_from_points ─▶ Gaussians ─ refine ⇄ views ─▶ Avatar ─ save ─▶ splats.ply, preview.png, …
"""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fastavatar.cli.options import device_option, log_options, path_option
from fastavatar.cli.progress import refinement_bar
from fastavatar.errors import InputError

log = logging.getLogger(__name__)

FRAMES = ("supersplat", "opencv", "head")
LICENCE = "as far as the capture is yours to use (MIT code)"


@click.command("refine")
@path_option("--capture", "Capture folder.", required=True)
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    metavar="N|all",
    help="Index of a view to refine on; repeat for several, or `all`.",
)
@path_option("--start", "PLY in the capture's frame to start from [default: discs at the capture's points].")
@click.option(
    "--start_frame", default="head", show_default=True, type=click.Choice(FRAMES), help="Axes of --start."
)
@path_option("--output_dir", "Where the results go.", default="results", show_default=True)
@click.option(
    "--config", help="A preset or a YAML file [default: direct; direct_several for 3 views or more]."
)
@click.option("--iterations", type=click.IntRange(min=1), help="Steps [default: the configuration's].")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Time limit of the steps [default: none]."
)
@device_option
@click.option(
    "--frame", default="supersplat", show_default=True, type=click.Choice(FRAMES), help="Axes of the PLY."
)
@click.option("--force", is_flag=True, help="Replace results that are there.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of the views' order.")
@click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads [default: all this process may use]."
)
@log_options
def command(
    capture: Path,
    inputs: tuple[str, ...],
    start: Path | None,
    start_frame: Any,
    output_dir: Path,
    config: str | None,
    iterations: int | None,
    seconds: float | None,
    device: str,
    frame: Any,
    force: bool,
    seed: int,
    threads: int | None,
) -> None:
    """Fit Gaussians to views of a capture: splats.ply, preview.png and summary.json.

    Ctrl-C keeps the best so far and writes it.
    """
    started = datetime.now(UTC)
    from fastavatar.avatar import Avatar, Provenance
    from fastavatar.captures import read_capture
    from fastavatar.cli.evaluate import parse_inputs
    from fastavatar.errors import UsageError
    from fastavatar.export.outputs import Outputs
    from fastavatar.export.ply import read_ply
    from fastavatar.export.results import require_writable
    from fastavatar.export.summary import Run
    from fastavatar.models import require_device
    from fastavatar.models.choice import choose_device
    from fastavatar.refine import load_config, refine, start_from_points
    from fastavatar.refine.photo_view import photo_of_view
    from fastavatar.refine.run import default_preset
    from fastavatar.render.threads import limit_threads

    limit_threads(threads)
    device = choose_device(device)
    require_device(device)
    require_writable(output_dir, force)
    read = read_capture(capture)
    chosen = parse_inputs(inputs, len(read.views))
    missing = [index for index in chosen if not 0 <= index < len(read.views)]
    if missing:
        raise UsageError(f"input view {missing[0]}: {capture} has views 0 to {len(read.views) - 1}")
    views = [read.views[index] for index in dict.fromkeys(chosen)]
    preset = config or default_preset(len(views))
    settings = load_config(preset).overridden(iterations=iterations)
    if start is not None:
        gaussians = read_ply(start, frame=start_frame)
    elif read.points is not None:
        gaussians = start_from_points(read.points, views)
    else:
        raise InputError(f"{capture} has no points to start from: give a PLY with --start")
    provenance = Provenance(settings.model, LICENCE, seed, device)
    avatar = Avatar(gaussians, views[0].camera, photo_of_view(views[0], capture), None, provenance)
    with refinement_bar(settings.iterations) as on_step:
        refined = refine(avatar, views, settings, seconds=seconds, seed=seed, device=device, on_step=on_step)
    run = Run(f"refined as {preset} says", started)
    refined.save(output_dir, force, outputs=Outputs(frame=frame), run=run)
    log.info("%d Gaussians in %s", len(refined.gaussians), output_dir)
