"""`fastavatar refine`: Gaussians drawn closer to the views of a capture.

capture ─ start_of ─▶ Gaussians or W ─ refine ⇄ views ─▶ Avatar ─ save ─▶ splats.ply, preview.png, …
"""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fastavatar.app.cli.numbers import FILE_AS_TEXT, SEED, THREADS, VIEW_INDEX, count, finite
from fastavatar.app.cli.options import (
    DEFAULT_CONFIG,
    cache_options,
    device_option,
    guided_options,
    path_option,
    sh_refit_option,
)
from fastavatar.app.cli.progress import refinement_bar
from fastavatar.errors import UsageError

log = logging.getLogger(__name__)

FRAMES = ("supersplat", "opencv", "head")


@click.command("refine")
@path_option("--capture", "Capture folder.", required=True)
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    type=VIEW_INDEX,
    metavar="N|all",
    help="Index of a view to refine on; repeat for several, or `all`.",
)
@path_option("--start", "PLY in the capture's frame to start from [default: discs at the capture's points].")
@click.option(
    "--start_frame", default="head", show_default=True, type=click.Choice(FRAMES), help="Axes of --start."
)
@path_option("--output_dir", "Where the results go.", default="results", show_default=True)
@click.option("--config", type=FILE_AS_TEXT, help=f"A preset or a YAML file {DEFAULT_CONFIG}.")
@click.option("--iterations", type=count(1), help="Steps [default: the configuration's].")
@click.option("--seconds", type=finite(0, above=True), help="Time limit of the steps [default: none].")
@device_option
@click.option(
    "--frame", default="supersplat", show_default=True, type=click.Choice(FRAMES), help="Axes of the PLY."
)
@click.option("--force", is_flag=True, help="Replace results that are there.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of the views' order.")
@click.option("--threads", type=THREADS, help="CPU threads [default: all this process may use].")
@cache_options
@guided_options
@sh_refit_option
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
    cache_dir: Path | None,
    offline: bool,
    **published: Any,
) -> None:
    """Fit Gaussians to views of a capture: splats.ply, preview.png and summary.json.

    Ctrl-C keeps the best so far and writes it.
    """
    started = datetime.now(UTC)
    from fastavatar.app.cli.evaluate import parse_inputs
    from fastavatar.captures import read_capture
    from fastavatar.formats.splats.ply import read_ply
    from fastavatar.models import require_device
    from fastavatar.models.choice import choose_device
    from fastavatar.refinement import load_config, refine
    from fastavatar.refinement.guided import Start, avatar_at, choose_preset, load_networks_for, start_of
    from fastavatar.refinement.run import default_preset
    from fastavatar.rendering.threads import limit_threads
    from fastavatar.results.folder import require_writable
    from fastavatar.results.outputs import Outputs
    from fastavatar.results.summary import Run

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
    given = {name: value for name, value in published.items() if value is not None}
    if start is None:
        preset, reason = choose_preset(config, read, len(views), cache_dir, given)
    else:
        preset, reason = config or default_preset(len(views)), "a start was given"
    settings = load_config(preset).overridden(iterations=iterations)
    log.info("configuration %s: %s", preset, reason)
    if start is not None and settings.model == "decoder":
        raise UsageError(f"--start: {preset} begins with W and the capture's points")
    networks = load_networks_for(settings, device, cache_dir, offline, given)
    if start is None:
        begin = start_of(read, views, networks)
    else:
        begin = Start(read_ply(start, frame=start_frame))
    avatar = avatar_at(begin, read, views[0], seed, device)
    for warning in avatar.provenance.warnings:
        log.warning("%s", warning)
    with refinement_bar(settings.iterations) as on_step:
        refined = refine(avatar, views, settings, seconds=seconds, seed=seed, device=device, on_step=on_step)
    run = Run(f"refined as {preset} says: {reason}", started)
    refined.save(output_dir, force, outputs=Outputs(frame=frame), run=run)
    log.info("%d Gaussians in %s", len(refined.gaussians), output_dir)
