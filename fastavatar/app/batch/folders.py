"""One photo's folder of results, on this machine or elsewhere: made ready, filled, cleared."""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fastavatar.app.batch.rows import Job
from fastavatar.app.batch.storage import is_address, join, names_in, write
from fastavatar.errors import OverwriteError
from fastavatar.results.outputs import SUMMARY
from fastavatar.results.staging import clear_staging

if TYPE_CHECKING:
    from fastavatar.app.pipeline import Pipeline
    from fastavatar.core import Avatar


def prepare(folder: str, overwrite: bool) -> None:
    """Clear what a killed run left in a folder of results.

    Raises `OverwriteError` where results are in it and `overwrite` is off, and what `require_writable` does.
    """
    clear(folder)
    if not is_address(folder):
        from fastavatar.results.folder import require_writable

        require_writable(Path(folder), overwrite)
    elif not overwrite and SUMMARY in names_in(folder):
        raise OverwriteError(f"{folder} holds results already; choose another folder or use --force")


def fill(job: Job, pipeline: "Pipeline", avatar: "Avatar", overwrite: bool, started: datetime) -> None:
    """Write a photo's results into its folder.

    On this machine it is all of them or none. Elsewhere the summary comes last: results without one are none.
    """
    if not is_address(job.output):
        pipeline.save(avatar, Path(job.output), overwrite, started, job.photo)
        return
    with TemporaryDirectory(prefix="fastavatar-") as folder:
        pipeline.save(avatar, Path(folder), overwrite, started, job.photo)
        for path in sorted(Path(folder).iterdir(), key=lambda path: path.name == SUMMARY):
            write(join(job.output, path.name), path.read_bytes())


def clear(folder: str) -> None:
    """Remove what a killed run left in a folder of results, and the folder where that was all."""
    if not is_address(folder):
        clear_staging(Path(folder))
