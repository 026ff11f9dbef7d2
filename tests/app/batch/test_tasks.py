import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.app.batch.tasks import place_of, task_of
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


def test_what_lies_elsewhere_is_mirrored_from_the_root(tmp_path: Path) -> None:
    assert place_of("/data/b/me.jpg", str(tmp_path)) == "data/b/me.jpg"
    assert place_of(str(tmp_path / "a" / ".." / ".." / "me.jpg"), str(tmp_path)) == str(
        tmp_path.parent / "me.jpg"
    ).lstrip("/")


def test_two_that_would_meet_are_an_error(tmp_path: Path) -> None:
    twin = tmp_path / "data" / "me.jpg"
    twin.parent.mkdir()
    twin.touch()
    assert place_of(str(twin), str(tmp_path)) == "data/me.jpg"
    with pytest.raises(UsageError, match="would meet those of"):
        place_of("/data/me.jpg", str(tmp_path))
