"""The index of a run, one row per photo: `results.jsonl`, appended to, and `results.parquet` at the end.

Each row is one append to a file. However the run ends, earlier rows stay, and only the last can be torn. The
index lies in the output folder. If that is an address, the index lies in a local folder until the run ends.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from fastavatar.app.batch import FIELDS, Mode, Row, is_address, join, names_in, opened, parse_row, read, write
from fastavatar.errors import OverwriteError
from fastavatar.results import require_folder
from fastavatar.system import alone_in, refusals_in_one_line, replacing, workspace

LINES, TABLE, SHEET = "results.jsonl", "results.parquet", "contact_sheet.html"
GENERATOR = '<meta name="generator" content="fastavatar batch">'
"""A tag in every page of a contact sheet; a page with it may be replaced."""
_PAGE = re.compile(r"contact_sheet(_\d+)?\.html")
_HEAD_BYTES = 1 << 16
"""Bytes of a file that are read to find out whether this program wrote it."""
_ROWS_AT_ONCE = 10_000
_ROW_BEGINS = b'{"photo": "'


def is_index_name(name: str) -> bool:
    """Whether a run may give this name to a file in its output folder."""
    return name in (LINES, TABLE) or _PAGE.fullmatch(name) is not None


def require_index_place(output_dir: str, mode: Mode) -> None:
    """Raise unless a run of this mode may write its index to `output_dir`.

    Raises `OverwriteError` where a run did not write an existing file with a name of the index, and in mode
    `new` where any such file exists; also what `require_folder` raises.
    """
    if is_address(output_dir):
        names = names_in(output_dir)
    else:
        require_folder(Path(output_dir))
        names = set(os.listdir(output_dir)) if os.path.isdir(output_dir) else set()
    taken = sorted(filter(is_index_name, names))
    for name in taken:
        require_own(join(output_dir, name))
    if taken and mode == "new":
        raise OverwriteError(
            f"{output_dir} holds the results of a run already ({', '.join(taken)}): resume that "
            "run, begin again with force, or choose another folder"
        )


def require_own(place: str) -> None:
    """Raise `OverwriteError` if a file exists at this path or address that was not written by a run."""
    if not is_address(place) and not os.path.lexists(place):
        return
    if not _is_own(place):
        raise OverwriteError(
            f"{place} was not written by a run of this program: move it away, or choose another folder"
        )


def _is_own(place: str) -> bool:
    if not is_address(place) and (os.path.islink(place) or not os.path.isfile(place)):
        return False
    with opened(place) as file:
        if place.endswith(TABLE):
            return _holds_table(file)
        head: bytes = file.read(_HEAD_BYTES)
    return _holds_rows(head) if place.endswith(LINES) else GENERATOR.encode() in head


def _holds_rows(head: bytes) -> bool:
    """Whether a file begins like an index: with no rows yet, or with at least one, whole or torn.

    Only the last line of an index can be torn, and it has no line break.
    """
    *lines, last = head.split(b"\n")
    torn = 0 < len(last) and last[: len(_ROW_BEGINS)] == _ROW_BEGINS[: len(last)]
    return not head.strip() or torn or any(_is_shaped_like_row(line) for line in (*lines, last))


def _is_shaped_like_row(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() >= set(FIELDS)


def _holds_table(file: Any) -> bool:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        return tuple(ParquetFile(file).schema_arrow.names) == FIELDS
    except (pyarrow.ArrowException, OSError, ValueError):
        return False


@contextmanager
def index_folder(output_dir: str, mode: Mode) -> Iterator[Path]:
    """A folder of this machine for the index, locked against other runs.

    Files at an address cannot be appended to, so an index there is downloaded first and uploaded at the end,
    unless the run is killed. It is uploaded at the start, too: then a place that cannot be written to ends
    the run before the work, and a second run finds an index. Raises `OverwriteError` while another run holds
    the folder, what `require_index_place` raises, and `FastAvatarError` where the index cannot be written.
    """
    if not is_address(output_dir):
        folder = Path(output_dir)
        require_folder(folder)
        with refusals_in_one_line(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder, wait_s=0):
            require_index_place(output_dir, mode)  # again: another run may have ended since
            _clear_hidden(folder)
            yield folder
        return
    with workspace() as folder:
        index = read(join(output_dir, LINES)) if LINES in names_in(output_dir) else b""
        (folder / LINES).write_bytes(index)
        write(join(output_dir, LINES), index)
        try:
            yield folder
        finally:
            for path in folder.iterdir():
                write(join(output_dir, path.name), path.read_bytes())


@contextmanager
def started_index(folder: Path, kept: Iterable[Row]) -> Iterator[Callable[[Row], None]]:
    """Replace the index in `folder` with the rows `kept`, and yield a function that appends a row.

    Raises `FastAvatarError` when the index cannot be written.
    """
    path, table = folder / LINES, folder / TABLE
    with replacing(path) as partial, partial.open("wb") as lines:
        lines.writelines(row.to_line() for row in kept)
    require_own(str(table))
    table.unlink(missing_ok=True)  # the earlier index's
    with refusals_in_one_line(path), path.open("ab", buffering=0) as lines:
        yield lambda row: _append(lines.fileno(), row.to_line())


def read_rows(folder: Path) -> Iterator[Row]:
    """The rows of the index in `folder`, in order; no rows where there is no index."""
    return (row for row in read_lines(folder) if row is not None)


def read_lines(folder: Path) -> Iterator[Row | None]:
    """The rows of the index in `folder`, with None for each line that is no row."""
    try:
        with (folder / LINES).open("rb") as lines:
            yield from map(parse_row, lines)
    except FileNotFoundError:
        return


def write_table(folder: Path) -> None:
    """Write the rows of the index in `folder` as a Parquet table, in parts, so that memory stays bounded.

    Raises `OverwriteError` where another program's file is in the way, `FastAvatarError` when the table
    cannot be written.
    """
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    schema = pyarrow.schema(
        [
            ("photo", pyarrow.string()),
            ("status", pyarrow.string()),
            ("error_code", pyarrow.int32()),
            ("error", pyarrow.string()),
            ("count", pyarrow.int64()),
            ("seconds", pyarrow.float64()),
            ("model", pyarrow.string()),
            ("output", pyarrow.string()),
        ]
    )
    rows = read_rows(folder)
    require_own(str(folder / TABLE))
    # pyarrow gets an open file because it rejects names that are not UTF-8.
    with (
        replacing(folder / TABLE) as partial,
        partial.open("wb") as file,
        ParquetWriter(file, schema) as table,
    ):
        while some := [_printable(asdict(row)) for row in islice(rows, _ROWS_AT_ONCE)]:
            table.write_table(pyarrow.Table.from_pylist(some, schema))


def _append(file: int, line: bytes) -> None:
    written = os.write(file, line)
    while written < len(line):  # a nearly full disk takes only a part
        written += os.write(file, line[written:])


def _printable(row: dict[str, Any]) -> dict[str, Any]:
    """The row with bytes of file names that are not UTF-8 escaped, because a table's text is UTF-8."""
    return {
        name: value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }


def _clear_hidden(folder: Path) -> None:
    """Remove half-written index files of killed runs; the caller must hold the folder's lock."""
    left = re.compile(r"\.(.+)\.[0-9a-f]{8}\.partial")
    for path in folder.iterdir():
        found = left.fullmatch(path.name)
        if found and is_index_name(found[1]) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)
