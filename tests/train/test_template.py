"""The mean head: fits to people, resumed where they are done, and their mean."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fastavatar.errors import OverwriteError
from fastavatar.formats import read_gaussians
from fastavatar.train.starting import read_mean_head
from fastavatar.train.template import TemplateSettings, averaged, train_template
from tests.synthetic_capture import make_head
from tests.train.stand_ins import DATA, POINTS, write_people

SETTINGS = TemplateSettings(
    data=replace(DATA, held_out_people=0),
    people=2,
    config="direct_several",
    iterations=30,
    sh_degree=1,
    seed=0,
)


def test_fits_are_kept_averaged_and_continued(tmp_path: Path) -> None:
    data, folder = write_people(tmp_path / "people", 3), tmp_path / "run"
    counted: list[tuple[int, int]] = []
    path = train_template([data], SETTINGS, folder, on_fit=lambda *both: counted.append(both))
    assert path == folder / "model" / "averaged_model.ply" and counted == [(1, 2), (2, 2)]
    names = ("people-0000.ply", "people-0002.ply")
    fits = [read_gaussians(folder / "fits" / name, "head") for name in names]
    mean = read_mean_head(path, POINTS)
    torch.testing.assert_close(mean.means, (fits[0].means + fits[1].means) / 2)
    assert (fits[0].sh[:, 0] - fits[1].sh[:, 0]).abs().mean() > 0.02  # grey at the start
    assert len(read_mean_head(path, 20)) == 20
    with pytest.raises(OverwriteError, match="holds a run"):
        train_template([data], SETTINGS, folder)
    before = (folder / "fits" / "people-0000.ply").stat().st_mtime_ns
    (folder / "fits" / "people-0002.ply").unlink()
    train_template([data], SETTINGS, folder, resume=True)
    assert (folder / "fits" / "people-0000.ply").stat().st_mtime_ns == before
    again = read_mean_head(path, POINTS)
    torch.testing.assert_close(again.means, mean.means)


def test_a_quaternion_and_its_negative_are_one_rotation() -> None:
    head = make_head(30)
    turned = replace(head, quats_wxyz=-head.quats_wxyz)
    torch.testing.assert_close(averaged([head, turned]).quats_wxyz, head.quats_wxyz)
