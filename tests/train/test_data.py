"""Captures as training data: who is held out, broken views, time steps, pictures read ahead."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fastavatar.errors import InputError
from fastavatar.train.data import Broken, read_people, shrunk
from fastavatar.train.loader import Loader
from fastavatar.train.trainee import Batches, Process
from tests.train.stand_ins import DATA, write_people

ALL = replace(DATA, held_out_people=0)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("data") / "people", 5)


@pytest.fixture
def data(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "people"))


def test_views_and_people_are_held_out(clean: Path) -> None:
    people = read_people([clean], replace(DATA, held_out_people=2))
    assert [one.name for one in people.trained] == ["people/0000", "people/0001", "people/0002"]
    assert [one.name for one in people.held_out] == ["people/0003", "people/0004"]
    apart = [one.held_out for one in people.trained]
    assert all(len(views) == 1 for views in apart) and len({*apart}) == 3  # every camera is trained on
    assert len(people.examples) == 12 and all(view not in apart[who] for who, view in people.examples)
    assert people.trained[0].points.shape == (DATA.points, 3)


def test_a_folder_of_others_is_held_out_whole(clean: Path, data: Path) -> None:
    people = read_people([clean], ALL, [data])
    assert len(people.trained) == 5 and len(people.held_out) == 5


def test_a_broken_view_is_named_left_out_and_counted(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data / "0001" / "images" / "02.png").unlink()
    with caplog.at_level(logging.WARNING):
        people = read_people([data], ALL)
    assert len(people.trained[1].views) == 4 and people.broken.count == 1 and people.broken.total == 25
    assert "left out" in caplog.text and "0001/images/02.png" in caplog.text


def test_more_broken_ones_end_the_run(data: Path) -> None:
    for number in range(2):
        (data / f"000{number}" / "images" / "02.png").unlink()
    with pytest.raises(InputError, match="2 of 25 views are broken, more than 5%"):
        read_people([data], ALL)


def test_pictures_that_turn_out_damaged_are_replaced_by_others(data: Path) -> None:
    people = read_people([data], ALL)
    path = data / "0000" / "images" / f"{people.trained[0].trained[0]:02d}.png"
    path.write_bytes(path.read_bytes()[:400])
    loader = Loader(people, ALL, Batches(20, 1, 0, Process()))
    seen = [loader[step][0] for step in range(20)]
    assert people.broken.count == 1
    names = [(one.subject, one.view.name) for one in seen]
    assert (0, f"{people.trained[0].trained[0]:02d}") not in names and len({*names}) == 19


def test_the_examples_of_a_step_are_the_same_whatever_was_read_before(clean: Path) -> None:
    people = read_people([clean], ALL)
    batches = [Batches(20, 2, 7, Process()) for _ in range(2)]
    through, later = (Loader(people, ALL, one) for one in batches)
    everything = [[one.view.name for one in through[step]] for step in range(15)]
    assert [[one.view.name for one in later[step]] for step in range(9, 15)] == everything[9:]


def test_an_example_brings_other_views_of_its_person_each_once(clean: Path) -> None:
    people = read_people([clean], ALL)
    loader = Loader(people, ALL, Batches(20, 2, 7, Process()), together=3)
    for step in range(10):
        examples = loader[step]
        assert [one.subject for one in examples] == [examples[place].subject for place in (0, 0, 0, 3, 3, 3)]
        names = [one.view.name for one in examples]
        assert len({*names[:3]}) == len({*names[3:]}) == 3
    pair = Loader(people, ALL, Batches(20, 1, 7, Process()), together=2)[0]
    trained = people.trained[pair[0].subject]
    first, second = (
        [trained.views[index].name for index in trained.trained].index(one.view.name) for one in pair
    )
    assert abs(first - second) == 2  # of four, the one farthest away
    many = Loader(people, ALL, Batches(20, 1, 7, Process()), together=9)[0]
    assert len(many) == len(people.trained[many[0].subject].trained) == 4


def test_two_processes_share_the_examples_of_one_with_their_batch() -> None:
    one = Batches(12, 2, 5, Process())
    both = [Batches(12, 1, 5, Process(rank, 2)) for rank in (0, 1)]
    for step in range(9):
        assert one[step] == both[0][step] + both[1][step]


def test_shrinking_keeps_what_the_camera_sees(clean: Path) -> None:
    view = read_people([clean], ALL).trained[0].views[0]
    small = shrunk(view, 28)
    assert small.image.shape == (28, 22, 3) and small.camera.height == 28
    torch.testing.assert_close(small.image.mean((0, 1)), view.image.mean((0, 1)), atol=0.01, rtol=0)
    point = torch.tensor([[0.02, 0.03, 0.1]])
    torch.testing.assert_close(small.camera.project(point)[0] * 2, view.camera.project(point)[0])
    assert shrunk(view, 500) is view


def test_time_steps_become_subjects_of_their_own(data: Path) -> None:
    path = data / "0000" / "transforms.json"
    content = json.loads(path.read_text())
    frames = content["frames"]
    content["frames"] = [
        {**frame, "timestep_index": 10 * step + 3} for step in range(3) for frame in frames[step::3]
    ]
    path.write_text(json.dumps(content))
    names = [one.name for one in read_people([data], replace(ALL, timesteps=2, held_out_views=0)).trained]
    assert names[:3] == ["people/0000 step 3", "people/0000 step 23", "people/0001"]


def test_captures_with_too_few_points_are_named() -> None:
    broken = Broken(10)
    broken.note(InputError("a: 3 points"))
    broken.note(InputError("a: 3 points"))
    assert broken.count == 1
    with pytest.raises(InputError, match="1 of 10 views are broken.*a: 3 points"):
        broken.require_few()


def test_no_folder_and_an_empty_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        read_people([tmp_path / "none"], ALL)
    with pytest.raises(InputError, match="holds no captures"):
        read_people([tmp_path], ALL)
