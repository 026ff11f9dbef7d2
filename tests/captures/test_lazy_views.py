import json
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fastavatar.captures import View, read_cameras, read_capture
from fastavatar.errors import InputError, UsageError
from tests.synthetic_capture import HEIGHT, WIDTH, write_capture

STEPS = (7, 3, 3, 9, 7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_capture(tmp_path)
    return tmp_path


@pytest.fixture
def sequence(folder: Path) -> Path:
    """The five views as a sequence, each time step with FLAME parameters of its own."""
    content = json.loads((folder / "transforms.json").read_text())
    (folder / "flame_param").mkdir()
    for frame, step in zip(content["frames"], STEPS, strict=True):
        frame |= {"timestep_index": step, "flame_param_path": f"flame_param/{step:05d}.npz"}
        np.savez(folder / frame["flame_param_path"], jaw=np.array([step], np.float32))
    (folder / "transforms.json").write_text(json.dumps(content))
    return folder


def test_pixels_are_read_when_they_are_used(folder: Path) -> None:
    damaged = folder / "images" / "00000_02.png"
    damaged.write_bytes(damaged.read_bytes()[:60])  # the head is whole
    views = read_capture(folder).views
    assert views[1].image.shape == (HEIGHT, WIDTH, 3)
    broken = views[2]
    assert (broken.name, broken.camera.width, broken.has_mask) == ("00000_02", WIDTH, True)
    for picture in ("image", "mask"):
        with pytest.raises(InputError, match=r"frame 2 .*cannot read .*00000_02\.png"):
            getattr(broken, picture)


def test_a_loop_over_views_holds_the_pictures_of_one(folder: Path) -> None:
    pictures: list[weakref.ref[Tensor]] = []
    for view in read_capture(folder).views:
        pictures.append(weakref.ref(view.image))
        assert view.image is view.image  # read once for one view
        assert sum(picture() is not None for picture in pictures) <= 2  # the last view's and this one's
    del view
    assert all(picture() is None for picture in pictures)


def test_views_are_a_sequence_of_ordinary_views(folder: Path) -> None:
    views = read_capture(folder).views
    assert len(views) == 5 and [view.name for view in views[1:3]] == ["00000_01", "00000_02"]
    assert views[-1].name == "00000_04" and isinstance(views[0], View)
    with pytest.raises(IndexError):
        _ = views[5]
    other = replace(views[0], image=torch.zeros(HEIGHT, WIDTH, 3))
    assert float(other.image.sum()) == 0 and torch.equal(other.mask, views[0].mask)
    with pytest.raises(AttributeError):
        views[0].name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(("timestep", "views"), [(None, [1, 2]), (3, [1, 2]), (7, [0, 4]), (9, [3])])
def test_a_sequence_is_read_by_time_step(
    sequence: Path, timestep: int | None, views: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    capture = read_capture(sequence, timestep=timestep)
    assert [view.name for view in capture.views] == [f"00000_{index:02d}" for index in views]
    assert [name for name, _ in read_cameras(sequence, timestep).views] == [
        view.name for view in capture.views
    ]
    assert capture.flame["jaw"].tolist() == [timestep or 3]
    warned = "is a sequence of 3 time steps, 3 to 9: only step 3 is read" in caplog.text
    assert warned == (timestep is None)


def test_only_the_time_step_asked_for_must_be_there(sequence: Path) -> None:
    (sequence / "images" / "00000_03.png").unlink()
    assert len(read_capture(sequence, timestep=7).views) == 2
    with pytest.raises(InputError, match="there is no file"):
        read_capture(sequence, timestep=9)


def test_a_time_step_that_is_not_there_is_refused(sequence: Path) -> None:
    with pytest.raises(UsageError, match=r"has no time step 4: its time steps are 3 to 9"):
        read_capture(sequence, timestep=4)


def test_a_single_pose_has_no_time_steps(folder: Path) -> None:
    with pytest.raises(UsageError, match="has no time step 0: it is not a sequence"):
        read_capture(folder, timestep=0)
