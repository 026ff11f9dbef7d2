import os
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from fastavatar.app.batch import index
from fastavatar.app.batch.index import LINES, TABLE, read_rows, started_index, write_table
from fastavatar.app.batch.tasks import PhotoTask, Row, failed_row, parse_row
from fastavatar.errors import NoFaceError

GOOD = Row("a/me.jpg", "ok", 0, "", 44_000, 0.7, "facemesh", "out/a/me.jpg")
BAD = failed_row(PhotoTask("b.jpg", "out/b.jpg"), NoFaceError("no face found"), 0.1, "facemesh")


def test_rows_are_there_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    with started_index(tmp_path, [GOOD]) as append:
        append(BAD)
        assert list(read_rows(tmp_path)) == [GOOD, BAD]
    assert BAD.error_code == 3 and BAD.error == "no face found"


def test_a_new_index_replaces_the_old_one(tmp_path: Path) -> None:
    with started_index(tmp_path, [BAD]):
        pass
    write_table(tmp_path)
    for rows in ([GOOD, BAD], [GOOD]):
        with started_index(tmp_path, rows):
            pass
    assert list(read_rows(tmp_path)) == [GOOD]
    assert os.listdir(tmp_path) == [LINES]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_row_is_no_row(cut: int, tmp_path: Path) -> None:
    (tmp_path / LINES).write_bytes(GOOD.to_line() + BAD.to_line()[:-cut] + b"\n5\n{}\n" + GOOD.to_line())
    read = list(read_rows(tmp_path))
    assert read == ([GOOD, BAD, GOOD] if cut == 1 else [GOOD, GOOD])
    assert list(read_rows(tmp_path / "nowhere")) == []


def test_any_file_name_survives(tmp_path: Path) -> None:
    row = replace(GOOD, photo=os.fsdecode(b"caf\xe9\n\"'<.jpg"))
    assert parse_row(row.to_line()) == row
    assert row.to_line().count(b"\n") == 1
    with started_index(tmp_path, [row]):
        pass
    write_table(tmp_path)
    assert pyarrow.parquet.read_table(tmp_path / TABLE)["photo"].to_pylist() == ["caf\\xe9\n\"'<.jpg"]


def test_the_table_holds_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_ROWS_AT_ONCE", 2)
    with started_index(tmp_path, [GOOD, BAD, GOOD]):
        pass
    write_table(tmp_path)
    table = pyarrow.parquet.read_table(tmp_path / TABLE)
    assert [Row(**row) for row in table.to_pylist()] == [GOOD, BAD, GOOD]
    assert [table.schema.field(name).type for name in ("error_code", "seconds")] == ["int32", "double"]


def test_an_index_of_nothing_is_a_table_of_nothing(tmp_path: Path) -> None:
    with started_index(tmp_path, []):
        pass
    write_table(tmp_path)
    assert pyarrow.parquet.read_table(tmp_path / TABLE).num_rows == 0
