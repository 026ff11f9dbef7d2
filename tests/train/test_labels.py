from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.train.labels import read_labelled, read_labels


def people(folder: Path, *names: str, size: int = 512) -> Path:
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        np.save(folder / name / "w_vector.npy", np.full((1, size), place, np.float32))
    return folder


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_people_of_folders_and_files_get_their_labels(tmp_path: Path) -> None:
    folder = people(tmp_path / "w", "ann", "team/bob", "eve")
    np.save(folder / "max.npy", np.full(512, 9.0))
    labels = "\ufeffname, smile,age\nmax,yes,30\n\nann,No,\nteam/bob,TRUE,1e1\nzoe,,3\n"
    found = read_labelled(folder, table(tmp_path / "labels.csv", labels))
    assert found.names == ("ann", "max", "team/bob")
    assert found.w.shape == (3, 512) and found.w[:, 0].tolist() == [0, 9, 1]
    assert found.labels["smile"].tolist() == [0, 1, 1]
    assert np.array_equal(found.labels["age"], [np.nan, 30, 10], equal_nan=True)
    assert (found.without_w, found.without_labels) == (("zoe",), ("eve",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with a line that names its columns"),
        ("name\nann\n", "must begin with a line that names its columns"),
        ("name,age,age\nann,1,2\n", "must begin with a line that names its columns"),
        ("name,age\nann,1,2\n", "line 2 of .* has 3 fields, its header has 2"),
        ("name,age\nann,1\nann,2\n", "line 3 of .* names 'ann' a second time"),
        ("name,age\nann,old\n", "line 2 of .*'old' is no number"),
        ("name,age\nann,inf\n", "'inf' is no number"),
        ("name,age\nzoe,1\n", "no name in .* such as 'ann'"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = people(tmp_path / "w", "ann")
    with pytest.raises(InputError, match=message):
        read_labelled(folder, table(tmp_path / "labels.csv", text))


def test_a_table_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes("name,age\nJürgen,3\n".encode("latin-1"))
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_labels(tmp_path / "labels.csv")


def test_folders_without_w_and_w_of_other_sizes_are_refused(tmp_path: Path) -> None:
    labels = table(tmp_path / "labels.csv", "name,age\nann,1\nbob,2\n")
    with pytest.raises(InputError, match="is no folder"):
        read_labelled(tmp_path / "none", labels)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no W vectors"):
        read_labelled(tmp_path / "empty", labels)
    folder = people(tmp_path / "w", "ann")
    np.save(folder / "bob.npy", np.zeros(100))
    with pytest.raises(InputError, match="W vector of 512 numbers"):
        read_labelled(folder, labels)
