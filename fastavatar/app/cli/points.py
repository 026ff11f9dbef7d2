"""`fastavatar points`: a page that shows clouds of points, the truth beside an estimate."""

import logging
from pathlib import Path

import click

from fastavatar.app.cli.numbers import FILE, PORT
from fastavatar.app.cli.options import path_option
from fastavatar.errors import FastAvatarError, UsageError

log = logging.getLogger(__name__)


@click.command("points")
@click.argument("truth", metavar="TRUTH", type=FILE)
@click.argument("estimate", metavar="[ESTIMATE]", type=FILE, required=False)
@path_option("--checkpoint", "A trained model that makes the estimate from --image.")
@click.option("--image", "images", type=FILE, multiple=True, help="A photo for --checkpoint; repeatable.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=PORT, help="Port; 0 takes a free one.")
def command(
    truth: Path,
    estimate: Path | None,
    checkpoint: Path | None,
    images: tuple[Path, ...],
    host: str,
    port: int,
) -> None:
    """Show millions of points on a web page: TRUTH, and beside it ESTIMATE or what a trained model makes.

    TRUTH and ESTIMATE are signed-distance samples or points (.npz), a .ply of points or of a mesh, or splats;
    or folders of these, from which the page's menu takes a subject.
    """
    if (checkpoint is None) != (not images):
        raise click.UsageError("--checkpoint and --image need each other")
    if checkpoint is not None and estimate is not None:
        raise click.UsageError("the estimate is either a file or what --checkpoint makes")
    try:
        import viser  # noqa: F401  # part of the extra `viewer`
    except ModuleNotFoundError as error:
        raise UsageError(
            f"showing points needs {error.name}: pip install '.[viewer]' where the source is"
        ) from error
    from fastavatar.app.points import (
        CloudPair,
        PointsPage,
        estimates_in,
        estimator_of,
        require_free,
        subjects_in,
    )

    truths = subjects_in(truth)
    estimators = {} if estimate is None else estimates_in(estimate, truths)
    if checkpoint is not None:
        if len(truths) != 1:
            raise UsageError(f"--checkpoint makes one estimate for {len(truths)} subjects: give one file")
        estimators = dict.fromkeys(truths, estimator_of(checkpoint, images))
    subjects = [CloudPair(name, path, estimators.get(name)) for name, path in truths.items()]
    try:
        require_free(host, port)
    except UsageError as error:
        raise UsageError(f"{error} with --host") from error
    except FastAvatarError as error:
        raise FastAvatarError(f"{error} with --port") from error
    page = PointsPage(subjects, host, port)
    log.info("points on %s (Ctrl-C stops it)", page.address)
    try:
        page.run()
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        page.close()
