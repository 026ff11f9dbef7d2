import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastavatar.app.cli import render as module
from fastavatar.app.cli.main import run
from fastavatar.captures import read_capture
from fastavatar.formats.registry import write_gaussians
from fastavatar.formats.splats.frames import FRAMES
from fastavatar.formats.splats.ply import read_ply, write_ply
from fastavatar.rendering import render
from fastavatar.rendering.camera_paths import PATHS
from tests.synthetic_capture import HEIGHT, WIDTH, make_head, write_capture

SMALL = ("--size", "32", "--frames", "3", "--device", "cpu")


@pytest.fixture
def ply(tmp_path: Path) -> Path:
    write_ply(make_head(), tmp_path / "head.ply")
    return tmp_path / "head.ply"


def call(*arguments: object) -> int:
    return run(["render", *(str(argument) for argument in arguments)])


def test_the_offered_choices_are_those_of_the_package() -> None:
    assert module.PATHS == PATHS and module.FRAMES == FRAMES


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mov", "a.gif", "a.webp", "a.png", "pictures"])
def test_every_kind_of_output_is_written(name: str, ply: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name.endswith(("mp4", "webm", "mov")):
        pytest.importorskip("av", reason="PyAV is not installed")
    output = ply.with_name(name)
    assert call(ply, "--output", output, *SMALL) == 0
    count = "1 picture" if name == "a.png" else "3 pictures"
    assert capsys.readouterr().err == f"{count} in {output}\n"
    if output.is_dir():
        assert sorted(path.name for path in output.iterdir()) == [f"frame_{index}.png" for index in range(3)]
    assert call(ply, "--output", output, *SMALL) == 7
    assert "use --force to replace" in capsys.readouterr().err
    assert call(ply, "--output", output, *SMALL, "--force") == 0


def test_the_cameras_of_a_capture_give_exactly_its_views(ply: Path, tmp_path: Path) -> None:
    write_capture(tmp_path / "capture")
    output = tmp_path / "views"
    camera_file = tmp_path / "capture" / "transforms.json"
    assert call(ply, "--output", output, "--camera", camera_file, "--device", "cpu") == 0
    views = read_capture(tmp_path / "capture").views
    head = read_ply(ply)
    assert sorted(path.stem for path in output.iterdir()) == [view.name for view in views]
    for view in views:
        picture = np.asarray(Image.open(output / f"{view.name}.png"))
        assert picture.shape == (HEIGHT, WIDTH, 3)
        expected = (render(head, view.camera).image.clamp(0, 1) * 255).round().byte().numpy()
        assert np.array_equal(picture, expected)
        assert np.abs(picture / 255 - view.image.numpy()).max() < 0.02  # it is the head of the capture


def test_views_of_one_file_name_are_written_side_by_side(ply: Path, tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    write_capture(capture)
    content = json.loads((capture / "transforms.json").read_text())
    for index, frame in enumerate(content["frames"]):
        picture = capture / "images" / f"cam{index}" / "0001.png"
        picture.parent.mkdir()
        (capture / frame["file_path"]).rename(picture)
        frame["file_path"] = f"images/cam{index}/0001.png"
    (capture / "transforms.json").write_text(json.dumps(content))
    output = tmp_path / "views"
    assert call(ply, "--output", output, "--camera", capture, "--device", "cpu") == 0
    assert sorted(path.name for path in output.iterdir()) == [f"cam{index}_0001.png" for index in range(5)]
    assert len({path.read_bytes() for path in output.iterdir()}) == 5


def test_the_captures_own_pictures_are_not_drawn_over(
    ply: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_capture(tmp_path / "capture")
    images = tmp_path / "capture" / "images"
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    for output in (images, images / "00000_00.png", images.parent):
        flags = ("--output", output, "--camera", tmp_path / "capture", "--force", "--device", "cpu")
        assert call(ply, *flags) == 2
        assert "would overwrite an input" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before


def test_background_and_depth_are_drawn(ply: Path, tmp_path: Path) -> None:
    assert call(ply, "--output", tmp_path / "a.png", *SMALL, "--background", "#336699") == 0
    assert np.asarray(Image.open(tmp_path / "a.png"))[0, 0].tolist() == [0x33, 0x66, 0x99]
    assert call(ply, "--output", tmp_path / "b.png", *SMALL, "--depth") == 0
    assert np.asarray(Image.open(tmp_path / "b.png"))[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.png", "a.webm", "a.mov", "pictures"])
def test_a_transparent_background(name: str, ply: Path) -> None:
    if name.endswith(("webm", "mov")):
        pytest.importorskip("av", reason="PyAV is not installed")
    output = ply.with_name(name)
    assert call(ply, "--output", output, *SMALL, "--background", "transparent") == 0
    if not name.endswith(("webm", "mov")):
        with Image.open(output / "frame_1.png" if output.is_dir() else output) as picture:
            alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        assert alpha[0, 0] == 0 and alpha[16, 16] == 255


def test_only_earlier_stills_are_replaced(ply: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ply.with_name("pictures")
    assert call(ply, "--output", output, *SMALL) == 0
    (output / "notes.txt").write_text("mine")
    Image.new("RGB", (3, 3)).save(output / "holiday.png")
    assert call(ply, "--output", output, *SMALL[:2], "--frames", 2, "--device", "cpu", "--force") == 0
    kept = ["frame_0.png", "frame_1.png", "holiday.png", "notes.txt"]
    assert sorted(path.name for path in output.iterdir()) == kept
    Image.new("RGB", (3, 3)).save(output / "frame_2.png")
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    capsys.readouterr()
    assert call(ply, "--output", output, *SMALL, "--force") == 7
    messages = capsys.readouterr().err
    assert (
        messages.count("\n") == 1
        and "frame_2.png cannot be replaced, because another program made it" in messages
    )
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_an_input_is_never_overwritten(ply: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = ply.rename(ply.with_name("head.npz"))
    before = source.read_bytes()
    for link in (Path.hardlink_to, Path.symlink_to):
        link(ply.with_name("a.gif"), source)
        assert call(source, "--output", ply.with_name("a.gif"), *SMALL, "--force") == 2
        assert "a.gif would overwrite an input" in capsys.readouterr().err
        ply.with_name("a.gif").unlink()
    assert source.read_bytes() == before


def test_folders_are_never_replaced_and_may_have_a_dot(ply: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.gif", "a.v2"):
        ply.with_name(name).mkdir()
        (ply.with_name(name) / "mine.txt").write_text("mine")
    assert call(ply, "--output", ply.with_name("a.gif"), *SMALL, "--force") == 7
    assert "a.gif is a folder, which is never replaced" in capsys.readouterr().err
    assert call(ply, "--output", ply.with_name("a.v2"), *SMALL) == 0
    assert len(list(ply.with_name("a.v2").iterdir())) == 4
    assert (ply.with_name("a.gif") / "mine.txt").read_text() == "mine"


def test_other_formats_and_frames_show_the_same(ply: Path, tmp_path: Path) -> None:
    write_gaussians(make_head(), tmp_path / "b.npz", "opencv")
    write_gaussians(make_head(), tmp_path / "c.splat", "head")
    calls: list[tuple[Path, tuple[str, ...]]] = [
        (ply, ()),
        (tmp_path / "b.npz", ()),
        (tmp_path / "c.splat", ("--frame_in", "head")),
    ]
    shown = []
    for source, flags in calls:
        assert call(source, "--output", source.with_suffix(".png"), *SMALL, *flags) == 0
        shown.append(torch.from_numpy(np.asarray(Image.open(source.with_suffix(".png"))).astype(int)))
    assert torch.equal(shown[0], shown[1])
    assert int((shown[0] - shown[2]).abs().max()) < 12


@pytest.mark.parametrize(("scale", "moved_m"), [(1.0, 2.0), (5.0, 0.0), (1000.0, -500.0)])
def test_a_head_moved_or_scaled_by_another_program_is_shown(
    scale: float, moved_m: float, ply: Path, tmp_path: Path
) -> None:
    moved = make_head().transformed(scale, torch.eye(3), torch.tensor([0.0, 0.0, moved_m]))
    write_ply(moved, tmp_path / "moved.ply")
    shown = []
    for source in (ply, tmp_path / "moved.ply"):
        assert call(source, "--output", source.with_suffix(".png"), *SMALL) == 0
        shown.append(np.asarray(Image.open(source.with_suffix(".png"))).astype(int))
    assert (shown[0] < 250).any(2).mean() > 0.3
    assert np.abs(shown[0] - shown[1]).mean() < 12  # a larger head is seen from farther away


@pytest.mark.parametrize("count", [1, 50])
def test_gaussians_in_one_place_are_shown(count: int, tmp_path: Path) -> None:
    head = make_head().subset(torch.arange(count))
    write_ply(replace(head, means=torch.full_like(head.means, 0.1)), tmp_path / "one.ply")
    assert call(tmp_path / "one.ply", "--output", tmp_path / "one.png", *SMALL) == 0
    picture = np.asarray(Image.open(tmp_path / "one.png")).astype(int)
    assert (picture < 250).any(2).mean() > 0.05


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", ["info", "convert", "render"])
def test_a_pipe_or_a_device_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    target = tmp_path / ("b.npz" if command == "convert" else "b.gif")
    further = {"info": [], "convert": [str(target)], "render": ["--output", str(target)]}[command]
    for ending in (".ply", ".compressed.ply", ".splat", ".npz"):
        for what, reason in ((tmp_path / "pipe", "it is a pipe"), (Path("/dev/zero"), "it is a device")):
            source = tmp_path / f"{what.name}{ending}"
            source.symlink_to(what)
            assert run([command, str(source), *further]) == 4
            assert capsys.readouterr().err.startswith(f"error: cannot read {source}: {reason}")
    assert not list(tmp_path.glob("b.*"))


WRONG: dict[str, tuple[int, str]] = {
    "--output a.avi": (2, "does not have the ending of a video"),
    "--output a.gif --camera b.json --size 9 --frames 4": (2, "9 is not in the range"),
    "--output a.gif --camera b.json --size 99 --frames 4": (2, "leave out --frames, --size"),
    "--output a.gif --background mauvish": (2, "--background 'mauvish' is not a colour"),
    "--output a.gif --depth --background red": (2, "--depth always has a black background"),
    "--output a.mp4 --background transparent": (2, "a.mp4 cannot be transparent, as .mp4 has no alpha"),
    "--output a.gif --depth --background transparent": (2, "--depth always has a black background"),
    "--output head.ply": (2, "head.ply would overwrite an input"),
    "--output a.gif --device tpu": (6, "there is no device 'tpu'"),
    "--output a.gif --camera gone.json": (4, "cannot read gone.json"),
    "--output head.ply/frames": (2, "is a file; give a folder"),
}


@pytest.mark.parametrize("flags", WRONG)
def test_wrong_usage_is_one_line_and_writes_nothing(
    flags: str, ply: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ply.parent)
    code, said = WRONG[flags]
    assert call(ply, *flags.split()) == code
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1 and shown[0].startswith("error: ") and said in shown[0]
    assert [path.name for path in ply.parent.iterdir()] == ["head.ply"]
