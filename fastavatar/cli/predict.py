"""`fastavatar predict`: a photo in, a folder of results out; `fastavatar.pipeline` shows the way between."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fastavatar.cli.options import log_options, path_option
from fastavatar.cli.prediction import prediction_options, settings_of
from fastavatar.cli.progress import refinement_bar

log = logging.getLogger(__name__)


@click.command("predict")
@path_option("--image", "The photo.", required=True)
@path_option("--output_dir", "Where the results go.", default="results", show_default=True)
@click.option("--force", is_flag=True, help="Replace results that are there.")
@prediction_options
@log_options
def command(image: Path, output_dir: Path, force: bool, **flags: Any) -> None:
    """Turn a photo into a 3D head: splats.ply, preview.png and summary.json."""
    started = datetime.now(UTC)
    settings = settings_of(**flags)

    from fastavatar.export.results import require_writable
    from fastavatar.images.photo import load_photo
    from fastavatar.pipeline import Pipeline

    require_writable(output_dir, force)
    settings.outputs.require_possible()
    photo = load_photo(image)
    pipeline = Pipeline(settings)
    refinement = pipeline.refinement
    with refinement_bar(refinement.iterations) if refinement else nullcontext() as on_step:
        avatar = pipeline.predict(photo, on_step)
    pipeline.save(avatar, output_dir, force, started)
    log.info("%d Gaussians in %s", len(avatar.gaussians), output_dir)
