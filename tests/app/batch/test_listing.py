import io
import os
import sys
from pathlib import Path

import pytest

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
    listing = list_photos(str(tmp_path), str(tmp_path / "out"))
    assert below(tmp_path, listing.photos) == ["z.webp", "a/me.heic", "a/x/me.PNG", "b/me.jpg"]
    assert listing.base == str(tmp_path)


def test_results_are_no_photos(tmp_path: Path) -> None:
    touch(tmp_path, "me.jpg", "out/me.jpg/preview.png", "single/preview.png", "single/summary.json")
    touch(tmp_path, "mine/preview.png")  # of somebody else: there is no summary beside it
    listing = list_photos(str(tmp_path), str(tmp_path / "out"))
    assert below(tmp_path, listing.photos) == ["me.jpg", "mine/preview.png"]


def test_a_pattern_takes_what_it_matches_from_where_it_begins(tmp_path: Path) -> None:
    touch(tmp_path, "a/me.jpg", "a/b/me.jpg", "a/b/me.png", "c/me.jpg", "out/x.jpg")
    (tmp_path / "a" / "folder.jpg").mkdir()
    listing = list_photos(str(tmp_path / "**" / "*.jpg"), str(tmp_path / "out"))
    assert below(tmp_path, listing.photos) == ["a/b/me.jpg", "a/me.jpg", "c/me.jpg"]
    assert listing.base == str(tmp_path)
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
    listing = list_photos("-", "out")
    assert (listing.photos, listing.base) == (["a.jpg", "b.jpg"], ".")


@pytest.mark.parametrize("name", ["empty", "list.txt", "*.jpg"])
def test_no_photos_are_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("\n \n")
    with pytest.raises(InputError, match="no photos in"):
        list_photos(str(tmp_path / name), "out")


def test_a_list_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the list .*none\.txt: no such file"):
        list_photos(str(tmp_path / "none.txt"), "out")


def test_what_names_many(tmp_path: Path) -> None:
    touch(tmp_path, "list.txt", "me.jpg")
    many = ["-", tmp_path, tmp_path / "list.txt", tmp_path / "*.jpg"]
    one = [tmp_path / "me.jpg", tmp_path / "none.jpg"]
    assert [names_many(str(image)) for image in (*many, *one)] == [True] * 4 + [False] * 2
