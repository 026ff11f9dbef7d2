from pathlib import Path

import numpy as np
import pytest

from fastavatar.app.points import CloudPair, estimates_in, subjects_in
from fastavatar.errors import InputError, UsageError


def written(path: Path, x: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, points=np.full((1, 3), x))
    return path


def test_a_folder_has_a_subject_for_each_file(tmp_path: Path) -> None:
    written(tmp_path / "b.npz", 0)
    written(tmp_path / "0001" / "samples.npz", 0)
    (tmp_path / "notes.txt").touch()
    assert list(subjects_in(tmp_path)) == ["0001/samples", "b"]


def test_a_folder_without_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no .npz or .ply file"):
        subjects_in(tmp_path)


def test_estimates_have_the_names_of_their_truths(tmp_path: Path) -> None:
    for name, x in (("a", 1), ("b", 2)):
        written(tmp_path / "truth" / f"{name}.npz", x)
        written(tmp_path / "estimate" / f"{name}.npz", -x)
    (tmp_path / "estimate" / "b.npz").unlink()
    truths = subjects_in(tmp_path / "truth")
    estimates = estimates_in(tmp_path / "estimate", truths)
    found = {name: CloudPair(name, path, estimates.get(name)).clouds() for name, path in truths.items()}
    assert (
        found["a"]["truth"]["points"].points[0, 0] == 1
        and found["a"]["estimate"]["points"].points[0, 0] == -1
    )
    assert list(found["b"]) == ["truth"]


def test_one_estimate_cannot_be_of_many(tmp_path: Path) -> None:
    one = written(tmp_path / "one.npz", 0)
    with pytest.raises(UsageError, match="one estimate for 2 subjects"):
        estimates_in(one, {"a": one, "b": one})
    written(tmp_path / "others" / "c.npz", 0)
    with pytest.raises(UsageError, match="such as a"):
        estimates_in(tmp_path / "others", {"a": one})
