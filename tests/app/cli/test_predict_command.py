import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import plyfile
import pytest
import torch
from PIL import Image

import fastavatar as fa
from fastavatar.app.cli.main import run
from fastavatar.app.cli.prediction import FRAMES
from fastavatar.formats import read_mesh
from fastavatar.formats.html.page import viewer_page
from fastavatar.formats.splats.frames import Frame, head_to_frame
from fastavatar.formats.splats.ply import read_ply
from tests.browser import needs_viewer
from tests.portraits import PORTRAIT, ROOT, photo_of, picture, small_left_large_right, without_face

SCHEMA = json.loads(files("fastavatar.results").joinpath("summary.schema.json").read_text("utf-8"))
RESULTS = ["head.npz", "preview.png", "splats.ply", "summary.json"]
STAGES = ["find faces …", "pose …", "person mask …", "fit head …", "colours …"]


@dataclass(frozen=True)
class Done:
    """The folder and the output of a finished `python predict.py`."""

    folder: Path
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        return read_summary(self.folder)


def read_summary(folder: Path) -> dict[str, Any]:
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(summary)
    return dict(summary)


def predict_py(folder: Path, *flags: str) -> Done:
    """`python predict.py` on the portrait, as the README says, in a process of its own."""
    command = [sys.executable, "predict.py", "--image", "data/example.png", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Done(folder, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Done:
    place = tmp_path_factory.mktemp("plain")
    folder = place / "results"
    return predict_py(folder, "--output_dir", str(folder), "--cache_dir", str(place / "cache"))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The same command with hyphens, and without a word."""
    place = tmp_path_factory.mktemp("quiet")
    folder = place / "results"
    flags = ["--output-dir", str(folder), "--cache-dir", str(place / "cache")]
    return predict_py(folder, *flags, "--quiet")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_photo_becomes_a_folder_of_results(plain: Done) -> None:
    assert plain.code == 0, plain.err
    assert names(plain.folder) == RESULTS
    assert not (plain.folder.parent / "cache").exists()
    vertex = plyfile.PlyData.read(plain.folder / "splats.ply")["vertex"]
    assert vertex.count == plain.summary["num_gaussians"] > 20_000
    assert all(np.isfinite(vertex[name]).all() for name in vertex.data.dtype.names)
    with Image.open(plain.folder / "preview.png") as preview:
        assert preview.size == (6 * 384, 384)
        tiles = np.asarray(preview.convert("RGB")).reshape(384, 6, 384, 3)
    assert (tiles.std((0, 2, 3)) > 30).all()  # something is to be seen on each


def test_the_summary_says_what_was_done(plain: Done) -> None:
    summary = plain.summary
    assert (summary["model"], summary["frame"], summary["units"]) == ("facemesh", "supersplat", "metres")
    assert "choosing the model fastavatar fetches them" in summary["model_reason"]
    assert summary["image_path"] == "data/example.png"
    assert summary["image"] == {"width": 512, "height": 512, "focal_px_from_exif": None}
    assert summary["face"]["index"] == 0 and summary["face"]["count"] == 1
    assert summary["files"] == ["splats.ply", "head.npz", "preview.png", "summary.json"]
    assert summary["warnings"] == []
    assert list(summary["seconds"]) == [stage.removesuffix(" …") for stage in STAGES] + ["write", "preview"]
    assert abs(summary["head_pose"]["yaw_deg"]) < 15 and abs(summary["head_pose"]["roll_deg"]) < 15
    assert summary["started"] and summary["seed"] == 42 and summary["device"] in ("cpu", "cuda")


def test_progress_goes_to_stderr_and_nothing_else_does(plain: Done) -> None:
    lines = [line for line in plain.err.splitlines() if "compiling" not in line]
    assert lines[0] == f"model facemesh: {plain.summary['model_reason']} (--model fastavatar)"
    assert lines[1:6] == STAGES
    assert lines[6:] == [f"{plain.summary['num_gaussians']} Gaussians in {plain.folder}"]
    assert plain.out == ""


def test_quiet_is_silent_and_hyphens_are_underscores(quiet: Done) -> None:
    assert (quiet.code, quiet.err, quiet.out) == (0, "", "")
    assert names(quiet.folder) == RESULTS
    assert quiet.summary["warnings"] == []


def test_two_processes_write_the_same_bytes(plain: Done, quiet: Done) -> None:
    for name in ("splats.ply", "head.npz", "preview.png"):
        assert (plain.folder / name).read_bytes() == (quiet.folder / name).read_bytes()


def predict(image: Path, folder: Path, *flags: str) -> int:
    """The command in this process, with an empty cache."""
    cache = folder.parent / "no_cache"
    arguments = ["predict", "--image", image, "--output_dir", folder, "--cache_dir", cache, *flags]
    return run([str(argument) for argument in arguments])


@pytest.fixture
def messages(capfd: pytest.CaptureFixture[str]) -> Any:
    """A function that returns the lines on stderr, those of native code included."""
    return lambda: capfd.readouterr().err.splitlines()


@pytest.fixture(scope="module")
def no_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "noise.png"
    Image.fromarray(without_face()).save(path)
    return path


def test_no_face_is_exit_code_3(no_face: Path, tmp_path: Path, messages: Any) -> None:
    assert predict(no_face, tmp_path / "results", "--quiet") == 3
    (line,) = messages()
    assert line.startswith("error: no face found in the photo (80×60 px): use an upright photo in which ")
    assert not list(tmp_path.iterdir())


def test_a_face_that_is_not_there_is_exit_code_3(tmp_path: Path, messages: Any) -> None:
    assert predict(PORTRAIT, tmp_path / "results", "--quiet", "--face", "1") == 3
    assert messages() == ["error: there is no face 1: the photo shows 1, numbered from 0 at the left"]
    assert not list(tmp_path.iterdir())


def test_a_photo_that_cannot_be_read_is_exit_code_4(tmp_path: Path, messages: Any) -> None:
    image = tmp_path / "text.jpg"
    image.write_text("not a photo")
    assert predict(image, tmp_path / "results") == 4
    (line,) = messages()
    assert line.startswith(f"error: cannot read {image}: it is not a picture")
    assert names(tmp_path) == ["text.jpg"]


def test_missing_weights_are_exit_code_5(tmp_path: Path, messages: Any) -> None:
    assert predict(PORTRAIT, tmp_path / "results", "--quiet", "--model", "fastavatar", "--offline") == 5
    assert len(messages()) == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("device", ["cuda:99", "magic"])
def test_a_device_that_is_not_there_is_exit_code_6(device: str, tmp_path: Path, messages: Any) -> None:
    assert predict(PORTRAIT, tmp_path / "results", "--quiet", "--device", device) == 6
    (line,) = messages()
    assert line.startswith(f"error: there is no device '{device}'")
    assert not list(tmp_path.iterdir())


def test_existing_results_are_exit_code_7(tmp_path: Path, messages: Any) -> None:
    (tmp_path / "summary.json").write_text("{}")
    assert predict(PORTRAIT, tmp_path) == 7  # before any work
    assert messages() == [
        f"error: {tmp_path} holds results already (summary.json); "
        "choose another folder or allow overwriting with --force"
    ]
    assert (tmp_path / "summary.json").read_text() == "{}"


@pytest.mark.parametrize("name", ["splats.ply", "preview.png", "summary.json", "head.html", "turntable.mp4"])
def test_force_replaces_only_files_of_this_program(name: str, tmp_path: Path, messages: Any) -> None:
    """A folder of that name, or a file of another program, is exit code 7 before any work, and stays."""
    (tmp_path / "folder" / name).mkdir(parents=True)
    (tmp_path / "folder" / name / "thesis.docx").write_text("three years of work")
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / name).write_text("three years of work")
    for kind in ("folder", "file"):
        assert predict(PORTRAIT, tmp_path / kind, "--force", "--turntable", "--viewer") == 7
        (line,) = messages()
        assert line == (
            f"error: {tmp_path / kind} holds {name}, not written by this program or changed since: "
            "move that away, or choose another folder"
        )
        assert names(tmp_path / kind) == [name]
    assert (tmp_path / "folder" / name / "thesis.docx").read_text() == "three years of work"
    assert (tmp_path / "file" / name).read_text() == "three years of work"


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("way", ["preview.png", "../photos/preview.png", "again.png"])
def test_the_photo_is_never_overwritten(way: str, force: list[str], tmp_path: Path, messages: Any) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(PORTRAIT, folder / "preview.png")
    (folder / "again.png").hardlink_to(folder / "preview.png")
    before = (folder / "preview.png").read_bytes()
    assert predict(folder / way, folder, *force) == 2
    (line,) = messages()
    assert line.startswith(f"error: the output {folder / 'preview.png'} would overwrite an input")
    assert (folder / "preview.png").read_bytes() == before and names(folder) == ["again.png", "preview.png"]


def test_the_vector_that_a_head_is_made_from_is_never_overwritten(tmp_path: Path, messages: Any) -> None:
    vector = tmp_path / "summary.json"
    vector.write_bytes(b"a vector by an unusual name")
    flags = ["--force", "--model", "fastavatar", "--w_vector", str(vector)]
    assert predict(PORTRAIT, tmp_path, *flags) == 2
    assert messages()[0].startswith(f"error: the output {vector} would overwrite an input")


def test_of_two_simultaneous_runs_in_a_new_folder_one_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    command = [sys.executable, "predict.py", "--image", str(PORTRAIT), "--output_dir", str(folder), "--quiet"]
    runs = [
        subprocess.Popen([*command, "--seed", str(seed)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for seed in (1, 2)
    ]
    messages = [run.communicate(timeout=200)[1] for run in runs]
    codes = [run.returncode for run in runs]
    assert sorted(codes) == [0, 7]
    assert "holds results already" in messages[codes.index(7)] and "--force" in messages[codes.index(7)]
    assert read_summary(folder)["seed"] == codes.index(0) + 1 and names(folder) == RESULTS


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--focal_px", "3"], "error: no lens has a focal length of 3 px for 512×512 px: give 102 to 20480"),
        (
            ["--focal_px", "3e4"],
            "error: no lens has a focal length of 30000 px for 512×512 px: give 102 to 20480",
        ),
        (
            ["--model", "facemesh", "--crop", "none", "--w_vector", "w.npy"],
            "error: --model facemesh does not take --w_vector, --crop; see fastavatar predict --help",
        ),
    ],
)
def test_flags_that_make_no_sense_are_exit_code_2(
    flags: list[str], line: str, tmp_path: Path, messages: Any
) -> None:
    assert predict(PORTRAIT, tmp_path / "results", *flags) == 2
    assert [text for text in messages() if not text.startswith("model ")] == [line]
    assert not list(tmp_path.iterdir())


def test_no_save_ply_focal_px_and_force_work_together(tmp_path: Path, messages: Any, plain: Done) -> None:
    folder = tmp_path / "results"
    shutil.copytree(plain.folder, folder)
    (folder / "notes.txt").write_text("mine")
    flags = ["--no-save-ply", "--focal_px", str(2 * 512 * 50 / 36), "--force", "--quiet", "--seed", "5"]
    assert predict(PORTRAIT, folder, *flags) == 0
    assert messages() == []
    assert names(folder) == ["notes.txt", "preview.png", "summary.json"]
    summary = read_summary(folder)
    far, near = (s["camera"]["world_to_camera"][2][3] for s in (summary, plain.summary))
    longer = summary["camera"]["K"][0][0] / plain.summary["camera"]["K"][0][0]
    assert far == pytest.approx(longer * near, rel=0.03)
    assert summary["camera"]["K"][0][0] == pytest.approx(1422.2, abs=0.1)
    assert summary["image"]["focal_px_from_exif"] is None  # the flag's is not the file's
    assert summary["seed"] == 5


@pytest.mark.parametrize("frame", ["opencv", "head"])
def test_the_ply_is_turned_as_asked(frame: Frame, tmp_path: Path, plain: Done) -> None:
    folder = tmp_path / "results"
    assert predict(PORTRAIT, folder, "--frame", frame, "--quiet") == 0
    summary = read_summary(folder)
    assert summary["frame"] == frame
    assert summary["head_to_frame"] == head_to_frame(frame).tolist()
    turned, expected = (
        read_ply(folder / "splats.ply", frame),
        read_ply(plain.folder / "splats.ply", "supersplat"),
    )
    np.testing.assert_allclose(turned.means, expected.means, atol=1e-6)
    np.testing.assert_allclose(turned.sh, expected.sh, atol=1e-6)


def test_of_two_faces_the_largest_is_used_with_a_warning(tmp_path: Path, messages: Any) -> None:
    image = tmp_path / "two.png"
    Image.fromarray(photo_of(small_left_large_right()).rgb).save(image)
    folder = tmp_path / "results"
    assert predict(image, folder, "--quiet", "--no_save_ply", "--focal_px", "900") == 0
    warning = "the photo shows 2 faces: the largest, number 1 from the left, is used"
    assert messages() == [f"warning: {warning} (--face N uses another)"]
    summary = read_summary(folder)
    assert summary["face"]["index"] == 1 and summary["face"]["count"] == 2
    assert summary["warnings"] == [warning]


def test_the_command_offers_every_frame() -> None:
    assert {*FRAMES} == {*Frame.__args__}  # type: ignore[attr-defined] # a Literal has them


def test_optimize_comes_nearer_to_the_photo(tmp_path: Path, messages: Any) -> None:
    image = tmp_path / "small.png"
    picture().resize((256, 256)).save(image)
    assert predict(image, tmp_path / "plain", "--quiet", "--focal_px", "500") == 0
    more = ("--optimize", "--iterations", "6")
    assert predict(image, tmp_path / "refined", "--quiet", "--focal_px", "500", *more) == 0
    summary = read_summary(tmp_path / "refined")
    assert summary["refinement"]["iterations"] == 6 and summary["refinement"]["views"] == ["small"]
    photo = fa.load_photo(image)
    face = (slice(40, 88), slice(92, 134))
    wrong = []
    for name in ("plain", "refined"):
        saw = read_summary(tmp_path / name)["camera"]
        camera = fa.Camera(torch.tensor(saw["K"]), torch.tensor(saw["world_to_camera"]), 256, 256)
        drawn = fa.render(read_ply(tmp_path / name / "splats.ply"), camera).image.numpy() * 255
        wrong.append(np.abs(drawn[face] - photo.rgb[face]).mean())
    assert wrong[1] < 0.97 * wrong[0], wrong


def test_steps_need_something_to_optimize(tmp_path: Path, messages: Any) -> None:
    assert predict(PORTRAIT, tmp_path / "results", "--iterations", "3") == 2
    assert "--iterations and --seconds need --optimize" in messages()[0]


def test_a_terminated_run_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    command = [
        sys.executable,
        "predict.py",
        "--image",
        str(PORTRAIT),
        "--output_dir",
        str(folder),
        "--optimize",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as running:
        assert running.stderr is not None
        while "refine" not in (line := running.stderr.readline()):
            assert line, "it ended before the signal"
        running.terminate()
        assert running.wait(timeout=60) == 143
    assert not folder.exists() or not list(folder.iterdir())


def test_a_turntable_turns_once_around_the_head(tmp_path: Path, messages: Any) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    folder = tmp_path / "results"
    assert predict(PORTRAIT, folder, "--quiet", "--turntable", "--no_save_ply", "--focal_px", "700") == 0
    assert "turntable.mp4" in read_summary(folder)["files"]
    with av.open(str(folder / "turntable.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24").astype(float) for frame in film.decode(video=0)]
    assert len(pictures) == 120 and pictures[0].shape == (512, 512, 3)
    front, back, end = (np.abs(pictures[k] - pictures[0]).mean() for k in (1, 60, 119))
    assert back > 3 * max(front, end), "half-way round is the back, and the end is next to the beginning"


def test_mesh_also_writes_a_closed_mesh_that_the_summary_lists(tmp_path: Path, plain: Done) -> None:
    folder = tmp_path / "results"
    flags = ("--quiet", "--mesh", "glb", "--no_save_ply", "--focal_px", "700")
    assert predict(PORTRAIT, folder, *flags) == 0
    summary = read_summary(folder)
    assert summary["files"] == ["preview.png", "head.glb", "summary.json"]
    assert summary["seconds"]["mesh"] > 0 and summary["settings"]["mesh"] == "glb"
    mesh = read_mesh(folder / "head.glb")
    assert mesh.shapes is not None and len(mesh.shapes.names) == 52 and not mesh.boundary_loops()
    assert mesh.texture is not None and mesh.texture.shape == (2048, 4096, 3)  # the head, and what is beyond
    assert predict(PORTRAIT, folder, "--quiet", "--force", "--mesh", "stl", "--focal_px", "700") == 0
    assert names(folder) == ["head.npz", "head.stl", "preview.png", "splats.ply", "summary.json"]


@needs_viewer
def test_viewer_also_writes_head_html(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    assert predict(PORTRAIT, folder, "--quiet", "--viewer", "--frame", "head", "--focal_px", "700") == 0
    summary = read_summary(folder)
    assert "head.html" in summary["files"] and summary["seconds"]["viewer"] < 5
    assert (folder / "head.html").read_bytes() == viewer_page(read_ply(folder / "splats.ply"))


def test_a_missing_viewer_page_is_reported_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: Any
) -> None:
    monkeypatch.setattr("fastavatar.formats.html.page.TEMPLATE", tmp_path / "page.html")
    assert predict(PORTRAIT, tmp_path / "results", "--viewer") == 1
    (line,) = messages()
    assert line.startswith("error: the viewer page was not built: `fastavatar viewer` builds it")
    assert not (tmp_path / "results").exists()
