import io
import os
import sys
from pathlib import Path

import pytest

from fastavatar.app.batch import listing
from fastavatar.app.batch.listing import list_photos, names_many
from fastavatar.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def below(root: Path, photos: list[str]) -> list[str]:
    return [os.path.relpath(photo, root) for photo in photos]


def test_a_folder_is_searched_in_depth_and_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b/me.jpg", "a/x/me.PNG", "a/me.heic", "z.webp", "notes.txt", "b/splats.ply")
    touch(tmp_path, ".thumbs/me.jpg", "b/._me.jpg")
    found = list_photos(str(tmp_path), str(tmp_path / "out"))
    assert below(tmp_path, found.photos) == ["z.webp", "a/me.heic", "a/x/me.PNG", "b/me.jpg"]
    assert found.base == str(tmp_path)


def test_results_are_not_listed_as_photos(tmp_path: Path) -> None:
    touch(tmp_path, "me.jpg", "out/me.jpg/preview.png", "single/preview.png", "single/summary.json")
    touch(tmp_path, "mine/preview.png")  # of another program: there is no summary beside it
    found = list_photos(str(tmp_path), str(tmp_path / "out"))
    assert below(tmp_path, found.photos) == ["me.jpg", "mine/preview.png"]


def test_a_pattern_takes_what_it_matches_from_where_it_begins(tmp_path: Path) -> None:
    touch(tmp_path, "a/me.jpg", "a/b/me.jpg", "a/b/me.png", "c/me.jpg", "out/x.jpg")
    (tmp_path / "a" / "folder.jpg").mkdir()
    found = list_photos(str(tmp_path / "**" / "*.jpg"), str(tmp_path / "out"))
    assert below(tmp_path, found.photos) == ["a/b/me.jpg", "a/me.jpg", "c/me.jpg"]
    assert found.base == str(tmp_path)
    assert list_photos(str(tmp_path / "a" / "*.jpg"), "out").base == str(tmp_path / "a")


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "me[1].jpg")
    assert not names_many(str(tmp_path / "me[1].jpg"))
    assert list_photos(str(tmp_path / "me[1].jpg"), "out").photos == [str(tmp_path / "me[1].jpg")]


def test_lines_of_a_list_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    lines = [
        b"\xef\xbb\xbfa b.jpg\r",
        b"",
        b"  \r",
        b"c.jpg ",
        b"caf\xe9.jpg",
        b"./c.jpg ",
        b"d/../e.jpg",
        b"e.jpg",
    ]
    path.write_bytes(b"\n".join(lines))  # the last without a line break
    photos = list_photos(str(path), "out").photos
    assert photos == ["a b.jpg", "c.jpg ", os.fsdecode(b"caf\xe9.jpg"), "d/../e.jpg"]


def test_standard_input_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a.jpg\n\nb.jpg\n")))
    found = list_photos("-", "out")
    assert (found.photos, found.base) == (["a.jpg", "b.jpg"], ".")


@pytest.mark.parametrize("name", ["empty", "list.txt", "*.jpg"])
def test_no_photos_are_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("\n \n")
    with pytest.raises(InputError, match="no photos in"):
        list_photos(str(tmp_path / name), "out")


def test_a_list_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the list .*none\.txt: no such file"):
        list_photos(str(tmp_path / "none.txt"), "out")


def test_names_many_recognises_folders_patterns_lists_and_addresses(tmp_path: Path) -> None:
    touch(tmp_path, "list.txt", "me.jpg")
    many = ["-", tmp_path, tmp_path / "list.txt", tmp_path / "*.jpg"]
    one = [tmp_path / "me.jpg", tmp_path / "none.jpg"]
    assert [names_many(str(image)) for image in (*many, *one)] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8"])
def test_a_list_is_read_by_its_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeffa/é Ω.jpg\r\nb.jpg\r\n".encode(encoding))
    assert list_photos(str(path), "out").photos == ["a/é Ω.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a.jpg\nb.jpg\n".encode("utf-16-le"), "line 1 holds a zero byte; save the list as UTF-8"),
        (b"a.jpg\nb\0.jpg\n", "line 2 holds a zero byte"),
        (b"\xff\xfea\0b", "damaged UTF-16"),
        (b"\xff\xfe\x00\xdc", "damaged UTF-16"),
    ],
)
def test_a_list_that_is_no_text_is_refused(content: bytes, line: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"cannot read the list .*list\.txt: {line}"):
        list_photos(str(path), "out")


def test_a_list_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_LIST_BYTES", 1 << 20)
    with open("/dev/zero") as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        with pytest.raises(InputError, match="on standard input: it is larger than 1 MiB"):
            list_photos("-", "out")
    os.mkfifo(tmp_path / "list.txt")
    with pytest.raises(InputError, match="is not a regular file"):
        list_photos(str(tmp_path / "list.txt"), "out")


def test_a_closed_standard_input_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input: it is closed"):
        list_photos("-", "out")


def test_skipped_files_are_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(
        tmp_path,
        "me.mpo",
        "b.jp2",
        "c.cr2",
        "d.cr2",
        "notes.txt",
        "raw",
        ".e.jpg",
        *(f"z.{n}" for n in range(9)),
    )
    touch(tmp_path, "old/summary.json", "old/preview.png", "old/splats.ply")
    with caplog.at_level("INFO", "fastavatar"):
        photos = list_photos(str(tmp_path), str(tmp_path / "out")).photos
    assert below(tmp_path, photos) == ["b.jp2", "me.mpo"]
    (line,) = caplog.messages
    assert line.startswith(f"skipped in {tmp_path}: 2 .cr2, 1 ") and line.endswith(" other kinds")
    caplog.clear()
    with caplog.at_level("INFO", "fastavatar"):
        list_photos(f"file://{tmp_path}/", "s3://bucket/out")
    assert caplog.messages == [line.replace(str(tmp_path), f"file://{tmp_path}/")]
