"""`fastavatar predict`: a photo in, a folder of results out; `app/pipeline.py` has the steps between."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fastavatar.app.batch import names_many
from fastavatar.app.cli.many import many_options, output_option, require_none, run_many, take_many
from fastavatar.app.cli.numbers import FILE_AS_TEXT
from fastavatar.app.cli.prediction import naming_force, prediction_options, settings_of
from fastavatar.app.cli.progress import refinement_bar
from fastavatar.app.cli.several import TakesViews, load_photos, photos_of_one, several_options
from fastavatar.app.loading import load_ahead
from fastavatar.system import return_large_arrays

log = logging.getLogger(__name__)


@click.command("predict", cls=TakesViews)
@click.option(
    "--image",
    "images",
    required=True,
    multiple=True,
    type=FILE_AS_TEXT,
    metavar="FILE|DIR|GLOB|LIST.txt|-",
    help="The photo, or a video of one person, whose best frames are used. Or many photos: a folder, "
    "a pattern in quotes, a list of paths, or - for a list on standard input; each photo then gets its own "
    "folder of results, as with `fastavatar batch`. Given several times, or with --subject: photos of one "
    "person, from any sides, for one head.",
)
@output_option
@click.option("--force", is_flag=True, help="Replace existing results.")
@several_options
@many_options
@prediction_options
def command(
    images: tuple[str, ...], output_dir: str, force: bool, subject: bool, views: str | None, **flags: Any
) -> None:
    """Turn a photo, or several of one person, into a 3D head: splats.ply, preview.png and summary.json."""
    started = datetime.now(UTC)
    many = take_many(flags)
    settings = settings_of(**flags)
    of_one = photos_of_one(images, subject, views, output_dir)
    if of_one is None and names_many(images[0]):
        run_many(images[0], output_dir, settings, force, many)
        return
    require_none(many)
    load_ahead()
    if settings.optimization is None:
        return_large_arrays()
    folder = Path(output_dir)

    from fastavatar.app.pipeline import Pipeline
    from fastavatar.results import require_writable

    inputs = [*(of_one or images), *settings.files()]
    with naming_force():
        require_writable(folder, force, settings.outputs.names(), inputs)
    settings.outputs.require_possible()
    photos = load_photos(of_one or images, settings)
    pipeline = Pipeline(settings if len(photos) == 1 else settings.for_several())
    refinement = pipeline.refinement
    with refinement_bar(refinement.iterations) if refinement else nullcontext() as on_step:
        avatar = pipeline.predict_several(photos, on_step)
    with naming_force():
        pipeline.save(avatar, folder, force, started)
    log.info("%d Gaussians in %s", len(avatar.gaussians), output_dir)
