"""`fastavatar mesh`, and meshes in `render`, `convert` and `info`."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

import fastavatar as fa
from fastavatar.app.cli.main import run
from tests.meshing.scenes import ball, fog


@pytest.fixture(scope="module", autouse=True)
def coarse() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fastavatar.meshing.views.SIZE_PX", 256)
        patched.setattr("fastavatar.meshing.solid.VOXELS", 96)
        yield


@pytest.fixture(scope="module")
def splats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("splats") / "splats.ply"
    fa.write_ply(ball(), path)
    return path


@pytest.fixture(scope="module")
def obj(splats: Path) -> Path:
    path = splats.with_name("head.obj")
    assert run(["mesh", str(splats), "--output", str(path), "--faces", "1000", "--texture", "512"]) == 0
    return path


def test_a_file_of_splats_becomes_an_obj_with_a_picture(obj: Path) -> None:
    read = fa.read_mesh(obj)
    assert read.texture is not None and read.texture.shape == (512, 512, 3)
    judged = trimesh.Trimesh(read.vertices.numpy(), read.faces.numpy(), process=False)
    assert judged.is_watertight and judged.volume > 0 and 950 < len(read.faces) <= 1000


@pytest.mark.parametrize("ending", ["glb", "ply", "stl"])
def test_every_ending_is_written_and_stays_unless_forced(
    splats: Path, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / f"head.{ending}"
    call = ["mesh", str(splats), "--output", str(output), "--faces", "500", "--texture", "512"]
    assert run(call) == 0
    assert "triangles in" in capsys.readouterr().err.splitlines()[-1]
    first = output.read_bytes()
    assert run(call) == 7 and "use --force" in capsys.readouterr().err
    assert run([*call, "--force"]) == 0 and output.read_bytes() == first
    assert fa.read_mesh(output).boundary_loops() == []


def test_what_is_no_head_ends_in_one_line(
    tmp_path: Path, obj: Path, splats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fa.write_ply(fog(opacity=0.05), tmp_path / "fog.ply")
    fa.write_mesh(fa.read_mesh(obj), tmp_path / "whole.glb")
    (tmp_path / "cut.glb").write_bytes((tmp_path / "whole.glb").read_bytes()[:-100])
    (tmp_path / "empty.glb").write_bytes(b"")
    cases = {
        (str(tmp_path / "whole.glb"),): (2, "triangles already: fastavatar convert"),
        (str(tmp_path / "cut.glb"),): (4, "the file is cut off); give photos, a folder of results or splats"),
        (str(tmp_path / "empty.glb"),): (4, "it is no GLB file, or a damaged one (its header is wrong"),
        (str(tmp_path / "fog.ply"),): (4, "opaque Gaussians, found 0"),
        (str(tmp_path),): (4, "no summary.json"),
        (str(tmp_path / "missing.ply"),): (4, "no such file"),
        (str(obj),): (2, "triangles already"),
        (str(splats), str(splats)): (2, "is no photo"),
    }
    for inputs, (code, words) in cases.items():
        assert run(["mesh", *inputs, "--output", str(tmp_path / "out.glb")]) == code
        lines = capsys.readouterr().err.strip().splitlines()
        assert words in lines[-1]
        assert not (tmp_path / "out.glb").exists()
    assert run(["mesh", str(splats), "--output", str(tmp_path / "out.fbx")]) == 2
    assert run(["mesh", str(splats), "--output", str(tmp_path / "out.glb"), "--texture", "1000"]) == 2


def test_a_mesh_turns_like_a_head_does(obj: Path, splats: Path, tmp_path: Path) -> None:
    for source, name in ((obj, "mesh"), (splats, "splats")):
        small = ["--frames", "3", "--size", "64"]
        assert run(["render", str(source), "--output", str(tmp_path / name), *small]) == 0
    for index in range(3):
        one, other = (
            np.asarray(Image.open(tmp_path / name / f"frame_{index}.png")) for name in ("mesh", "splats")
        )
        assert one.shape == (64, 64, 3) and np.abs(one.astype(int) - other).mean() < 12
    assert run(["render", str(obj), "--output", str(tmp_path / "a.png"), "--frame_in", "head"]) == 2


def test_chosen_views_make_one_sheet(
    splats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["render", str(splats), "--size", "32", "--output"]
    assert run([*call, str(tmp_path / "all.png"), "--grid", "4x2"]) == 0
    assert run([*call, str(tmp_path / "some.png"), "--grid", "2x2", "--views", "0", "2", "5"]) == 0
    whole, some = (np.asarray(Image.open(tmp_path / name)) for name in ("all.png", "some.png"))
    assert whole.shape == (64, 128, 3) and some.shape == (64, 64, 3)
    for place, (row, column) in {(0, 0): (0, 0), (0, 1): (0, 2), (1, 0): (1, 1)}.items():
        cell = some[32 * place[0] : 32 * place[0] + 32, 32 * place[1] : 32 * place[1] + 32]
        np.testing.assert_array_equal(cell, whole[32 * row : 32 * row + 32, 32 * column : 32 * column + 32])
    assert (some[32:, 32:] == 255).all()
    assert run([*call, str(tmp_path / "b.png"), "--grid", "1x2", "--views", "0,1,2"]) == 2
    assert "do not fit" in capsys.readouterr().err
    assert run([*call, str(tmp_path / "b.png"), "--grid", "2x2", "--views", "9"]) == 2
    assert run([*call, str(tmp_path / "b.mp4"), "--grid", "2x2"]) == 2
    assert run([*call, str(tmp_path / "b.png"), "--grid", "0x2"]) == 2


def test_convert_and_info_know_meshes(
    obj: Path, splats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["convert", str(obj), str(tmp_path / "head.stl")]) == 0
    assert "the colours are left out" in capsys.readouterr().err
    assert run(["info", str(tmp_path / "head.stl"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["closed"] and 3.5 < facts["volume_l"] < 5.5 and facts["texture_px"] is None
    assert run(["info", str(obj)]) == 0
    assert "512×512 px" in capsys.readouterr().out
    assert run(["convert", str(obj), str(tmp_path / "head.spz")]) == 2
    assert run(["convert", str(splats), str(tmp_path / "a.obj")]) == 2
    assert "fastavatar mesh" in capsys.readouterr().err
