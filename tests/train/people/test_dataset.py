"""`fastavatar dataset people`: real captures, rendered small."""

import filecmp
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.app.cli.main import run
from fastavatar.captures import read_capture
from fastavatar.core import Mesh
from fastavatar.errors import UsageError
from fastavatar.formats import write_mesh
from fastavatar.head import load_head
from fastavatar.train.people import TERMS, backend, carried, require_mitsuba, write_capture
from tests.portraits import ROOT
from tests.synthetic_capture import make_cameras, make_mesh

BROKEN = """
try:
    raise ImportError("libatomic.so.1: cannot open shared object file")
except ImportError as e:
    filename = _drjit_ext.__file__
"""
"""What drjit 1.5 does where a system library is missing."""
SMALL = ["--views", "2", "--size", "48x70", "--samples", "4"]


def need_mitsuba() -> None:
    """Skip the test where Mitsuba cannot be imported."""
    try:
        require_mitsuba()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_mitsuba()
    folder = tmp_path_factory.mktemp("data") / "people"
    assert run(["dataset", "people", "--count", "1", "--output", str(folder), *SMALL]) == 0
    return folder


def test_a_person_is_a_capture_whose_points_and_surface_lie_where_the_pictures_show_it(people: Path) -> None:
    capture = read_capture(people / "0000")
    assert len(capture.views) == 2 and capture.points is not None and capture.mesh is not None
    assert "free for any use" in (people / TERMS).read_text("utf-8")
    assert len(capture.points) == 10_144 and len(capture.mesh.faces) == 11_848
    for view in capture.views:
        assert view.image.shape == (70, 48, 3) and 0.2 < float(view.mask.mean()) < 0.8
        assert float(view.image[view.mask < 0.01].min()) > 0.99
        pixels, depth = view.camera.project(capture.points)
        inside = ((pixels > 0) & (pixels < torch.tensor([48, 70]))).all(1) & (depth > 0)
        column, row = pixels[inside].long().T
        assert float((view.mask[row, column] > 0.5).float().mean()) > 0.95
    with np.load(people / "0000" / "mesh.npz") as found:
        assert found["identity"].shape == (80,) and found["expression"].shape == (52,)
        assert found["colors"].shape == (6099, 3) and 0 <= found["colors"].min() <= found["colors"].max() <= 1
        # In the head frame: shoulders are turned, the skull lies as the unturned head's does
        head = load_head()
        at_rest = head.vertices(found["identity"], found["expression"])
        apart = np.linalg.norm(found["skin_vertices"] - at_rest, axis=1)
        on_skull = head.weights[:, head.joint_names.index("head")] > 0.999
        assert np.abs(found["turns"]).max() > 0.01
        # Cameras stand upright beside the shoulders, and so not beside the head
        scene = head.motion_of_skull(found["identity"].astype(float), found["turns"].astype(float))
        for view in capture.views:
            upright = carried(view.camera, scene).world_to_camera[0, 1]
            assert abs(float(upright)) < 1e-4 < 1e-3 < abs(float(view.camera.world_to_camera[0, 1]))
        assert apart[on_skull].max() < 1e-4 < 1e-3 < np.median(apart[head.region("torso")])


def test_the_same_seed_gives_the_same_bytes_and_more_people_leave_the_first_as_it_was(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again"
    more = ["--workers", "2"]
    assert run(["dataset", "people", "--count", "2", "--output", str(again), *SMALL, *more]) == 0
    for path in sorted((people / "0000").rglob("*.*")):
        assert filecmp.cmp(path, again / path.relative_to(people), shallow=False), path
    before = (again / "0001" / "transforms.json").stat().st_mtime_ns
    assert run(["dataset", "people", "--count", "2", "--output", str(again), *SMALL]) == 0
    assert (again / "0001" / "transforms.json").stat().st_mtime_ns == before
    capsys.readouterr()
    assert run(["dataset", "people", "--count", "2", "--output", str(again), *SMALL, "--seed", "1"]) == 2
    assert "seed 0, now 1" in capsys.readouterr().err


def test_meshes_with_colours_become_captures_and_one_without_is_named(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meshes, made = tmp_path / "meshes", make_mesh()
    meshes.mkdir()
    red = torch.tensor([0.8, 0.2, 0.2]).expand(len(made.vertices), 3)
    write_mesh(Mesh(made.vertices, made.faces, colors=red), meshes / "red.ply")
    write_mesh(made, meshes / "bare.ply")
    output = tmp_path / "captures"
    assert run(["dataset", "people", "--meshes", str(meshes), "--output", str(output), *SMALL]) == 1
    assert "bare: " in (said := capsys.readouterr().err) and "neither a texture nor vertex colours" in said
    assert sorted(path.name for path in output.iterdir()) == ["dataset.json", "red"]
    view = read_capture(output / "red").views[0]
    shown = view.image[view.mask > 0.99].mean(0)
    assert shown[0] > 1.5 * shown[1] and 0.15 < float(view.mask.mean()) < 0.9


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "give either the number of people, --count, or a folder of --meshes"),
        (["--count", "1", "--meshes", "."], 2, "give either"),
        (["--count", "1", "--address", "here:1"], 2, "--engine ray"),
        (["--meshes", "nowhere"], 4, "nowhere holds no meshes"),
        (["--count", "1", "--hdr", "nowhere"], 4, "nowhere holds no .hdr or .exr files"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert run(["dataset", "people", "--output", str(output), *arguments]) == code
    assert said in capsys.readouterr().err and not output.exists()


@pytest.mark.parametrize(
    ("drjit", "said"),
    [
        ("import dr_jit_is_not_here", "pip install '.[train]' where the source is"),
        (BROKEN, "(libatomic.so.1: cannot open shared object file): install the package of your system"),
    ],
    ids=["no package", "no system library"],
)
def test_a_mitsuba_that_cannot_be_imported_is_one_line(drjit: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mitsuba.py").write_text("import drjit")
    (tmp_path / "drjit.py").write_text(drjit)
    output = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "fastavatar",
        "dataset",
        "people",
        "--count",
        "1",
        "--output",
        str(output),
    ]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and said in line and not output.exists()


def test_without_a_usable_llvm_the_scalar_variant_is_taken_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    need_mitsuba()
    broken = tmp_path / "libLLVM.so.99"
    broken.write_bytes(b"no library")
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(broken))
    assert backend._found_variant() == "scalar_rgb"
    assert "no usable LLVM" in caplog.text


def test_a_capture_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    picture = np.zeros((56, 44, 4), np.uint8)
    bad = {"vertices": np.array([object()])}
    with pytest.raises(ValueError):
        write_capture(tmp_path / "set" / "0000", [(make_cameras()[0], picture)], np.zeros((3, 3)), bad)
    assert not (tmp_path / "set").exists()
