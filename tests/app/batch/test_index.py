import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest

from fastavatar.app.batch import Mode, index
from fastavatar.app.batch.contact_sheet import write_contact_sheet
from fastavatar.app.batch.index import (
    LINES,
    SHEET,
    TABLE,
    index_folder,
    read_rows,
    require_index_place,
    started_index,
    write_table,
)
from fastavatar.app.batch.tasks import PhotoTask, Row, failed_row, parse_row
from fastavatar.errors import FastAvatarError, NoFaceError, OverwriteError

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


def test_an_empty_index_gives_an_empty_table(tmp_path: Path) -> None:
    with started_index(tmp_path, []):
        pass
    write_table(tmp_path)
    assert pyarrow.parquet.read_table(tmp_path / TABLE).num_rows == 0


def make_index(folder: Path, *rows: Row) -> None:
    folder.mkdir(exist_ok=True)
    with started_index(folder, rows):
        pass
    write_table(folder)
    write_contact_sheet(folder, str(folder))


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Limit the size of files, so that writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("address", [False, True])
def test_an_own_index_is_resumed_or_replaced_but_not_by_a_new_run(address: bool, tmp_path: Path) -> None:
    for rows in ((), (GOOD,), (BAD, GOOD)):
        make_index(tmp_path, *rows)
        place = f"file://{tmp_path}" if address else str(tmp_path)
        require_index_place(place, "resume")
        require_index_place(place, "force")
        with pytest.raises(
            OverwriteError, match=r"results of a run already \(contact_sheet.html, results.jsonl, "
        ):
            require_index_place(place, "new")


FOREIGN = {
    SHEET: b"<!doctype html><title>mine</title>",
    "contact_sheet_2.html": b"",
    "contact_sheet_17.html": b"mine",
    LINES: b'{"prompt": "x", "completion": "y"}\n',
    TABLE: b"PAR1",
}


@pytest.mark.parametrize("address", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_program_is_never_replaced(name: str, address: bool, tmp_path: Path) -> None:
    make_index(tmp_path, GOOD)
    (tmp_path / name).write_bytes(FOREIGN[name])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    place = f"file://{tmp_path}" if address else str(tmp_path)
    for mode in ("new", "resume", "force"):
        with pytest.raises(
            OverwriteError, match=rf"{name} was not written by a run of this program: move it"
        ):
            require_index_place(place, mode)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_table_of_other_columns_is_foreign(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"photo": ["a.jpg"], "score": [1.0]}), tmp_path / TABLE)
    with pytest.raises(OverwriteError, match="results.parquet was not written by a run"):
        require_index_place(str(tmp_path), "force")


@pytest.mark.parametrize("name", [LINES, TABLE, SHEET, "contact_sheet_3.html"])
@pytest.mark.parametrize("kind", ["folder", "link", "dangling link"])
def test_a_folder_or_link_of_an_index_name_stays(name: str, kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    make_index(tmp_path / "other", GOOD)
    if kind == "folder":
        (out / name).mkdir()
    else:
        target = {LINES: LINES, TABLE: TABLE}.get(name, SHEET) if kind == "link" else "missing"
        (out / name).symlink_to(tmp_path / "other" / target)
    with pytest.raises(OverwriteError, match=f"{name} was not written by a run"):
        require_index_place(str(out), "force")


@pytest.mark.parametrize("name", [TABLE, SHEET, "contact_sheet_2.html"])
def test_a_file_that_appears_during_the_run_stays(name: str, tmp_path: Path) -> None:
    with index_folder(str(tmp_path), "new") as folder, started_index(folder, [GOOD]):
        (tmp_path / name).write_text("mine")
        with pytest.raises(OverwriteError, match=f"{name} was not written by a run"):
            write_table(folder)
            write_contact_sheet(folder, str(folder))
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("content", [b'{\n "thesis": 1\n}\n', b'{\n "thesis": 1\n}', b'{"photo": "\nmine'])
@pytest.mark.parametrize("mode", ["resume", "force"])
def test_json_of_another_program_is_no_index(content: bytes, mode: Mode, tmp_path: Path) -> None:
    (tmp_path / LINES).write_bytes(content)
    with pytest.raises(OverwriteError, match="was not written by a run"):
        require_index_place(str(tmp_path), mode)


@pytest.mark.parametrize(
    "content", [b"", GOOD.to_line(), GOOD.to_line()[:30], b'{"ph', b"torn\n" + BAD.to_line()]
)
def test_the_lines_of_a_killed_run_are_its_own(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LINES).write_bytes(content)
    require_index_place(str(tmp_path), "resume")


def test_hidden_files_of_killed_runs_are_cleared(tmp_path: Path) -> None:
    mine = {".results.jsonl.backup.partial", ".other.0123abcd.partial", ".results.0123abcd.partial"}
    left = {f".{name}.0123abcd.partial" for name in (LINES, TABLE, SHEET, "contact_sheet_12.html")}
    for name in mine | left:
        (tmp_path / name).touch()
    with index_folder(str(tmp_path), "new") as folder:
        assert {path.name for path in folder.iterdir()} == mine


def test_an_index_takes_one_run_at_a_time(tmp_path: Path) -> None:
    with index_folder(str(tmp_path), "new"):
        with (
            pytest.raises(OverwriteError, match="another run is writing"),
            index_folder(str(tmp_path), "force"),
        ):
            pass
    with index_folder(str(tmp_path), "new"):
        pass


def test_a_full_disk_ends_the_run_in_one_line_and_loses_no_row(tmp_path: Path) -> None:
    make_index(tmp_path, GOOD, BAD)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with no_file_larger_than(100):
        with pytest.raises(FastAvatarError, match=r"cannot write .*results.jsonl: file too large"):
            with started_index(tmp_path, [GOOD] * 9):
                pass
        for write in (write_table, lambda folder: write_contact_sheet(folder, str(folder))):
            with pytest.raises(FastAvatarError, match="cannot write .*: file too large"):
                write(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with no_file_larger_than(500), pytest.raises(FastAvatarError, match="cannot write"):
        with started_index(tmp_path, []) as append:
            for _ in range(9):
                append(GOOD)
    rows = list(read_rows(tmp_path))
    assert rows == [GOOD] * (500 // len(GOOD.to_line())) and (tmp_path / LINES).stat().st_size == 500


def test_a_folder_whose_name_is_no_text_holds_an_index(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9\n")
    make_index(folder, replace(GOOD, output=str(folder / "me.jpg")))
    require_index_place(str(folder), "resume")
    assert len(pyarrow.parquet.read_table(pyarrow.py_buffer((folder / TABLE).read_bytes()))) == 1
