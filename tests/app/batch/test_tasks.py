import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.app.batch.tasks import Row, parse_row, place_of, task_of
from fastavatar.errors import UsageError

names = st.sampled_from(["a", "b", "me.jpg", "me.png", "me", "..."])
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: os.path.join("photos", *parts))


@given(st.sets(paths, min_size=2, max_size=8))
def test_no_two_photos_share_a_place(photos: set[str]) -> None:
    outputs = [task_of(photo, "photos", "out").output for photo in sorted(photos)]
    assert len(set(outputs)) == len(photos)
    assert all(output.startswith("out" + os.sep) for output in outputs)


def test_the_structure_is_mirrored(tmp_path: Path) -> None:
    photo = str(tmp_path / "photos" / "a" / "me.jpg")
    task = task_of(photo, str(tmp_path / "photos"), "out")
    assert (task.photo, task.output) == (photo, "out/a/me.jpg")


def test_photos_outside_the_base_are_mirrored_from_the_root(tmp_path: Path) -> None:
    assert place_of("/data/b/me.jpg", str(tmp_path)) == "data/b/me.jpg"
    assert place_of(str(tmp_path / "a" / ".." / ".." / "me.jpg"), str(tmp_path)) == str(
        tmp_path.parent / "me.jpg"
    ).lstrip("/")


def test_two_photos_with_one_folder_of_results_are_an_error(tmp_path: Path) -> None:
    twin = tmp_path / "data" / "me.jpg"
    twin.parent.mkdir()
    twin.touch()
    assert place_of(str(twin), str(tmp_path)) == "data/me.jpg"
    with pytest.raises(UsageError, match="would go to one folder"):
        place_of("/data/me.jpg", str(tmp_path))


def test_results_never_take_the_place_of_their_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for photo, base, output_dir in (("me.jpg", ".", str(tmp_path)), ("s3://b/me.jpg", "s3://b", "s3://b/")):
        with pytest.raises(
            UsageError, match="folder with the name of the photo: choose another output folder"
        ):
            task_of(photo, base, output_dir)


GOOD = Row("a.jpg", "ok", 0, "", 5, 1.5, "facemesh", "out/a.jpg")


@pytest.mark.parametrize(
    "changes",
    [
        {"photo": 5},
        {"photo": None},
        {"photo": "a\0b"},
        {"photo": "\ud800"},
        {"output": ["x"]},
        {"status": "done"},
        {"error_code": True},
        {"error_code": 2**31},
        {"count": -1},
        {"count": 2**63},
        {"count": "5"},
        {"seconds": "1"},
        {"seconds": float("nan")},
        {"seconds": 10**400},
        {"more": 1},
    ],
    ids=str,
)
def test_a_row_of_other_types_is_no_row(changes: dict[str, Any]) -> None:
    assert parse_row(GOOD.to_line()) == GOOD
    assert parse_row(json.dumps({**asdict(GOOD), **changes}).encode()) is None


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b"null", b"[" * 200_000, b"\xff", b"9" * 5000])
def test_a_line_of_anything_else_is_no_row(line: bytes) -> None:
    assert parse_row(line) is None


def test_a_whole_number_of_seconds_is_read() -> None:
    assert parse_row(json.dumps({**asdict(GOOD), "seconds": 2}).encode()) == replace(GOOD, seconds=2.0)
