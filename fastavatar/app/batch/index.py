"""The index of a run: one row per photo, `results.jsonl` as they come and `results.parquet` at the end.

A row is one append to a file: whatever is killed, rows that were written stay, and at most the last is torn.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from fastavatar.app.batch.rows import Row, parse_row
from fastavatar.system.atomic import refusals_told, replacing

LINES, TABLE = "results.jsonl", "results.parquet"
_ROWS_AT_ONCE = 10_000


@contextmanager
def started_index(folder: Path, kept: Iterable[Row]) -> Iterator[Callable[[Row], None]]:
    """Replace the index in `folder` by the rows `kept`, and hand out what appends one more.

    Raises `FastAvatarError` when it cannot be written.
    """
    path = folder / LINES
    with replacing(path) as partial, partial.open("wb") as lines:
        lines.writelines(row.to_line() for row in kept)
    (folder / TABLE).unlink(missing_ok=True)  # of the index that was
    with refusals_told(path), path.open("ab", buffering=0) as lines:
        yield lambda row: _append(lines.fileno(), row.to_line())


def read_rows(folder: Path) -> Iterator[Row]:
    """The rows of the index in `folder`, as they were written; none where there is no index."""
    try:
        with (folder / LINES).open("rb") as lines:
            yield from (row for row in map(parse_row, lines) if row is not None)
    except FileNotFoundError:
        return


def write_table(folder: Path) -> None:
    """Write the rows of the index in `folder` as a Parquet table, without holding them all."""
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
    with replacing(folder / TABLE) as partial, ParquetWriter(str(partial), schema) as table:
        while some := [_printable(asdict(row)) for row in islice(rows, _ROWS_AT_ONCE)]:
            table.write_table(pyarrow.Table.from_pylist(some, schema))


def _append(file: int, line: bytes) -> None:
    written = os.write(file, line)
    while written < len(line):  # the disk is full, or nearly
        written += os.write(file, line[written:])


def _printable(row: dict[str, Any]) -> dict[str, Any]:
    """The row with file names that are no UTF-8 in escapes: a table's text is UTF-8."""
    return {
        name: value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }
