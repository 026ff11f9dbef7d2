"""Where a run keeps its index: in the output folder; for one elsewhere in a folder here until it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fastavatar.app.batch.index import LINES
from fastavatar.app.batch.resume import sole_run
from fastavatar.app.batch.storage import is_address, join, names_in, read, write
from fastavatar.errors import OverwriteError
from fastavatar.results.staging import require_folder
from fastavatar.system.atomic import refusals_told


def require_no_index(output_dir: str) -> None:
    """Raise `OverwriteError` where a run has left its index, and what `require_folder` raises."""
    if is_address(output_dir):
        taken = LINES in names_in(output_dir)
    else:
        require_folder(Path(output_dir))
        taken = (Path(output_dir) / LINES).exists()
    if taken:
        raise OverwriteError(
            f"{output_dir} holds the results of a run already ({LINES}): --resume goes on with it, --force "
            "begins again, or choose another folder"
        )


@contextmanager
def index_folder(output_dir: str) -> Iterator[Path]:
    """A folder of this machine for the index, this run's alone.

    Nothing can be appended to a file elsewhere: there, the index is fetched first and put back in the end,
    whatever ends the run but a kill. It is put back at once, too: whether anything can be written there is
    told before the work, and who begins anew meanwhile finds an index. Raises `OverwriteError` while another
    run holds the folder, `FastAvatarError` where the index cannot be written.
    """
    if not is_address(output_dir):
        folder = Path(output_dir)
        require_folder(folder)
        with refusals_told(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with sole_run(folder):
            yield folder
        return
    with TemporaryDirectory(prefix="fastavatar-") as temporary:
        folder = Path(temporary)
        index = read(join(output_dir, LINES)) if LINES in names_in(output_dir) else b""
        (folder / LINES).write_bytes(index)
        write(join(output_dir, LINES), index)
        try:
            yield folder
        finally:
            for path in folder.iterdir():
                write(join(output_dir, path.name), path.read_bytes())
