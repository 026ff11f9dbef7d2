"""`fastavatar refine`: fits Gaussians to views of a capture; `app/capture_refinement.py` does the work."""

import logging
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastavatar.app.cli.numbers import FILE_AS_TEXT, SEED, THREADS, count, finite
from fastavatar.app.cli.options import (
    CAPTURE,
    DEFAULT_CONFIG,
    cache_options,
    device_option,
    guided_options,
    inputs_option,
    path_option,
    sh_refit_option,
    timestep_option,
)
from fastavatar.app.cli.prediction import FRAMES, naming_force
from fastavatar.app.cli.progress import refinement_bar

if TYPE_CHECKING:
    from fastavatar.app.capture_refinement import CaptureSettings

log = logging.getLogger(__name__)


@click.command("refine")
@path_option("--capture", CAPTURE, required=True)
@inputs_option("Index of a view to refine on")
@path_option("--start", "PLY in the capture's frame to start from [default: discs at the capture's points].")
@click.option(
    "--start_frame", default="head", show_default=True, type=click.Choice(FRAMES), help="Axes of --start."
)
@path_option("--output_dir", "Where the results go.", default="results", show_default=True)
@click.option("--config", type=FILE_AS_TEXT, help=f"A preset or a YAML file {DEFAULT_CONFIG}.")
@click.option("--iterations", type=count(1), help="Number of steps [default: the configuration's].")
@click.option("--seconds", type=finite(0, above=True), help="Time limit of the steps [default: none].")
@device_option
@click.option(
    "--frame", default="supersplat", show_default=True, type=click.Choice(FRAMES), help="Axes of the PLY."
)
@click.option("--force", is_flag=True, help="Replace existing results.")
@click.option(
    "--seed", default=0, show_default=True, type=SEED, help="Random seed of the order of the views."
)
@click.option("--threads", type=THREADS, help="CPU threads [default: all this process may use].")
@cache_options
@guided_options
@sh_refit_option
@timestep_option
def command(
    capture: Path,
    inputs: tuple[str, ...],
    output_dir: Path,
    frame: Any,
    force: bool,
    threads: int | None,
    timestep: int | None,
    **choices: Any,
) -> None:
    """Fit Gaussians to views of a capture; write splats.ply, preview.png and summary.json.

    Ctrl-C ends the steps; the best result so far is written.
    """
    started = datetime.now(UTC)
    from fastavatar.app.capture_refinement import CaptureRefinement
    from fastavatar.captures import read_capture
    from fastavatar.models import require_device
    from fastavatar.rendering import limit_threads
    from fastavatar.results import Outputs, Run, require_writable

    settings = _settings(inputs, choices)
    limit_threads(threads)
    require_device(settings.device, draws=True)
    outputs = Outputs(frame=frame)
    read = read_capture(capture, timestep=timestep)
    files = [*read.files, *([settings.start] if settings.start else []), *settings.published.files()]
    with naming_force():
        require_writable(output_dir, force, outputs.names(), files)
    refinement = CaptureRefinement(read, settings)
    with refinement_bar(refinement.config.iterations) as on_step:
        refined = refinement.run(on_step)
    reason = f"refined by the configuration {refinement.preset}: {refinement.reason}"
    run = Run(reason, started, inputs=files)
    with naming_force():
        refined.save(output_dir, force, outputs=outputs, run=run)
    log.info("%d Gaussians in %s", len(refined.gaussians), output_dir)


def _settings(inputs: tuple[str, ...], choices: dict[str, Any]) -> "CaptureSettings":
    """The settings for these flags; flags left in `choices` belong to the published networks."""
    from fastavatar.app.capture_refinement import CaptureSettings
    from fastavatar.models.choice import choose_device
    from fastavatar.models.published import PublishedOptions

    known = {one.name for one in fields(CaptureSettings)} & choices.keys()
    own = {name: choices.pop(name) for name in known}
    own["device"] = choose_device(own["device"])
    indices = None if "all" in inputs else [int(text) for text in inputs]
    return CaptureSettings(indices, published=PublishedOptions(**choices), **own)
