from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastavatar.app.cli import animate as module
from fastavatar.app.cli.main import run
from fastavatar.captures import read_cameras
from fastavatar.core import Avatar
from fastavatar.formats.splats import read_ply, write_ply
from fastavatar.rendering import render
from fastavatar.results import read_avatar
from fastavatar.rig import CLIPS
from tests.synthetic_capture import HEIGHT, WIDTH, make_head, write_capture

SIZE = ("--size", "48")


@pytest.fixture(scope="module")
def results(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results; what the command compiles once, and says so, is compiled."""
    folder = avatar.save(tmp_path_factory.mktemp("animate") / "results")
    assert call(folder, "--output", folder.parent / "first.png", "--drive", "idle", *SIZE) == 0
    return folder


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames in which the jaw opens, at 10 frames a second."""
    path = tmp_path_factory.mktemp("take") / "take.json"
    path.write_text('{"fps": 10, "frames": [{"jawOpen": 0.2}, {"jawOpen": 0.6}, {"jawOpen": 1.0}]}')
    return path


def call(*arguments: object) -> int:
    return run(["animate", *(str(argument) for argument in arguments)])


def test_the_offered_clips_are_those_of_the_package() -> None:
    assert module.CLIPS == CLIPS


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.webp", "a.png", "pictures"])
def test_every_kind_of_output_is_written(
    name: str, results: Path, take: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.endswith(("mp4", "webm")):
        pytest.importorskip("av", reason="PyAV is not installed")
    output = tmp_path / name
    assert call(results, "--output", output, "--drive", take, *SIZE) == 0
    frames = "1 frame" if name == "a.png" else "3 frames"
    assert capsys.readouterr().err == f"{frames} in {output}\n"
    if output.is_dir():
        assert [path.name for path in sorted(output.iterdir())] == [f"frame_0000{k}.png" for k in range(3)]
    assert call(results, "--output", output, "--drive", take, *SIZE) == 7
    assert "--force" in capsys.readouterr().err
    assert call(results, "--output", output, "--drive", take, *SIZE, "--force") == 0


def test_a_folder_of_splats_has_one_head_per_frame(results: Path, take: Path, tmp_path: Path) -> None:
    assert call(results, "--output", tmp_path / "splats", "--files", "ply", "--drive", take) == 0
    heads = [read_ply(path) for path in sorted((tmp_path / "splats").iterdir())]
    assert len(heads) == 3
    assert len({len(head) for head in heads}) == 1
    assert float((heads[0].means - heads[2].means).abs().max()) > 0.01


def test_one_pose_is_written_as_splats_and_a_picture(results: Path, avatar: Avatar, tmp_path: Path) -> None:
    output = tmp_path / "pose"
    assert call(results, "--output", output, "--expression", "jawOpen=0.8", *SIZE) == 0
    assert sorted(path.name for path in output.iterdir()) == ["preview.png", "splats.ply"]
    assert Image.open(output / "preview.png").size == (48, 48)
    moved = read_ply(output / "splats.ply").means[: len(avatar.gaussians)] - avatar.gaussians.means
    assert 0.015 < float(moved.abs().max()) < 0.05


def test_a_transparent_picture_has_alpha_and_a_mouth_that_opens(results: Path, tmp_path: Path) -> None:
    pictures = []
    for weight in (0, 1):
        output = tmp_path / f"{weight}.png"
        jaw = f"jawOpen={weight}"
        assert call(results, "--output", output, "--expression", jaw, "--background", "transparent") == 0
        pictures.append(np.asarray(Image.open(output)).astype(int))
    closed, opened = pictures
    assert closed.shape == (512, 512, 4) and closed[0, 0, 3] == 0
    assert (np.abs(closed - opened).max(2) > 20).mean() > 0.005


def test_a_view_of_a_capture_is_drawn_and_its_pictures_are_kept(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_capture(tmp_path / "capture")
    camera = read_cameras(tmp_path / "capture").views[1][1]
    flags = ("--expression", "jawOpen=0", "--camera", tmp_path / "capture")
    for name, more in (("first", ()), ("second", ("--view", 1))):
        assert call(results, "--output", tmp_path / f"{name}.png", *flags, *more) == 0
    first, second = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("first", "second"))
    assert first.shape == (HEIGHT, WIDTH, 3) and (first != second).any()
    drawn = render(read_avatar(results).gaussians, camera).image
    assert np.abs(second / 255 - drawn.numpy()).max() < 0.01
    for more, says in ((("--view", 9), "no view 9"), (("--size", 48), "leave out --size")):
        assert call(results, "--output", tmp_path / "no.png", *flags, *more) == 2
        assert says in capsys.readouterr().err
    picture = tmp_path / "capture" / "images" / "00000_00.png"
    assert call(results, "--output", picture, *flags, "--force") == 2
    assert "would overwrite an input" in capsys.readouterr().err


def test_strength_0_is_the_head_at_rest(results: Path, take: Path, tmp_path: Path) -> None:
    for name, more in (("none", ("--strength", 0)), ("rest", ("--neutral_frame", 2))):
        assert call(results, "--output", tmp_path / name, "--drive", take, *SIZE, *more) == 0
    none, rest = (np.asarray(Image.open(tmp_path / name / "frame_00002.png")) for name in ("none", "rest"))
    assert np.array_equal(none, rest)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--drive", "idle", "--expression", "jawOpen=1"), 2, "either"),
        ((), 2, "either"),
        (("--expression", "jawOpne=1"), 2, "jawOpen"),
        (("--expression", "jawOpen=1.5"), 2, "within 0…1"),
        (("--expression", "jawOpen"), 2, "NAME=WEIGHT"),
        (("--expression", "jawOpen=wide"), 2, "NAME=WEIGHT"),
        (("--drive", "idle", "--view", "1"), 2, "give --camera"),
        (("--drive", "dance"), 2, "dance"),
        (("--drive", "idle", "--neutral_frame", "100000"), 2, "no frame 100000"),
        (("--drive", "missing.csv"), 4, "missing.csv"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...],
    code: int,
    says: str,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(results, "--output", tmp_path / "out.gif", *arguments) == code
    message = capsys.readouterr().err
    assert says in message and message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_head_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ply(make_head(2000), tmp_path / "blob.ply")
    assert call(tmp_path / "blob.ply", "--output", tmp_path / "a.gif", "--drive", "idle") == 3
    assert "no face is found" in capsys.readouterr().err
    assert call(tmp_path / "blob.ply", "--output", tmp_path / "blob.ply", "--drive", "idle", "--force") == 2
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "empty", "--output", tmp_path / "a.gif", "--drive", "idle") == 4
