"""The folder layouts of other tools, each made from the tests' synthetic capture."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fastavatar.captures import Capture, read_cameras, read_capture
from fastavatar.errors import InputError
from tests.synthetic_capture import (
    FOCAL_PX,
    HEIGHT,
    WIDTH,
    make_cameras,
    make_head,
    write_capture,
    write_colmap,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "capture"
    path.mkdir()
    write_capture(path)
    return path


@pytest.fixture
def colmap(folder: Path) -> Path:
    write_colmap(folder)
    (folder / "transforms.json").unlink()
    return folder


def content_of(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "transforms.json").read_text())
    assert isinstance(content, dict)
    return content


def require_the_views(capture: Capture) -> None:
    assert [view.name for view in capture.views] == [f"00000_{i:02d}" for i in range(5)]
    for view, camera in zip(capture.views, make_cameras(), strict=True):
        torch.testing.assert_close(view.camera.K, camera.K, atol=1e-3, rtol=0)
        torch.testing.assert_close(view.camera.world_to_camera, camera.world_to_camera, atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", ["sparse", "sparse/0", "sparse/3", "colmap/sparse/0"])
def test_a_colmap_model_is_found(colmap: Path, place: str, caplog: pytest.LogCaptureFixture) -> None:
    model = colmap / "moved"
    (colmap / "sparse" / "0").rename(model)
    (colmap / "sparse").rmdir()
    (colmap / place).parent.mkdir(parents=True, exist_ok=True)
    model.rename(colmap / place)
    require_the_views(read_capture(colmap))
    require_the_views(read_capture(colmap / place))
    assert "models" not in caplog.text


def test_of_several_colmap_models_the_first_is_read_with_a_warning(
    colmap: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(colmap / "sparse" / "0", colmap / "sparse" / "10")
    second = shutil.copytree(colmap / "sparse" / "0", colmap / "sparse" / "2")
    lines = (second / "images.txt").read_text().splitlines()
    (second / "images.txt").write_text("\n".join(lines[:4]) + "\n")  # two images, two lines each
    assert len(read_capture(colmap).views) == 5
    assert "sparse holds 3 COLMAP models: only 0 is read; for another (2, 10) give" in caplog.text
    assert len(read_capture(second).views) == 2
    assert [name for name, _ in read_cameras(second).views] == ["00000_00", "00000_01"]


def test_the_files_of_a_colmap_model_belong_to_the_capture(colmap: Path) -> None:
    model = colmap / "sparse" / "0"
    for files in (read_capture(colmap).files, read_cameras(colmap).files):
        assert {path.resolve() for path in model.iterdir()} <= files


def test_a_json_of_any_name_is_a_capture(folder: Path) -> None:
    (folder / "transforms.json").rename(folder / "transforms_test.json")
    with pytest.raises(InputError, match=r"neither transforms\.json nor sparse/0 nor transforms_train\.json"):
        read_capture(folder)
    capture = read_capture(folder / "transforms_test.json")
    require_the_views(capture)
    assert capture.folder == folder and capture.points is not None
    with pytest.raises(InputError, match=r"cannot read .*gone\.json: there is no such file"):
        read_capture(folder / "gone.json")


def test_original_nerf_json_takes_the_size_from_the_pictures(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = content_of(folder)
    frames = [
        {"file_path": f"./{Path(f['file_path']).with_suffix('')}", "transform_matrix": f["transform_matrix"]}
        for f in content["frames"]
    ]
    angle = 2 * math.atan(WIDTH / 2 / FOCAL_PX)
    (folder / "transforms.json").unlink()
    path = folder / "transforms_train.json"
    path.write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))
    require_the_views(read_capture(folder))
    assert "has no transforms.json: the views of transforms_train.json are read" in caplog.text
    for (name, camera), view in zip(read_cameras(folder).views, read_capture(folder).views, strict=True):
        assert name == view.name and torch.equal(camera.K, view.camera.K)


def test_both_fields_of_view_count(folder: Path) -> None:
    content = content_of(folder)
    for frame in content["frames"]:
        del frame["fl_x"], frame["fl_y"], frame["w"], frame["h"]
    angles = {
        "camera_angle_x": 2 * math.atan(WIDTH / 2 / 100),
        "camera_angle_y": 2 * math.atan(HEIGHT / 2 / 120),
    }
    (folder / "transforms.json").write_text(json.dumps({**content, **angles}))
    K = read_capture(folder).views[0].camera.K
    assert (float(K[0, 0]), float(K[1, 1])) == pytest.approx((100, 120))


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".webp", ".png"])
def test_an_ending_left_out_is_found(folder: Path, ending: str) -> None:
    content = content_of(folder)
    for number, frame in enumerate(content["frames"]):
        old = folder / frame["file_path"]
        Image.open(old).save(folder / "images" / f"frame.{number:04d}{ending}")
        frame["file_path"] = f"images/frame.{number:04d}"
        del frame["fg_mask_path"]
    (folder / "transforms.json").write_text(json.dumps(content))
    assert [view.name for view in read_capture(folder).views] == [f"frame.{i:04d}" for i in range(5)]


def test_nerfstudios_points_are_read(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "points3d.ply").rename(folder / "sparse_pc.ply")
    content = content_of(folder)
    assert read_capture(folder).points is None
    (folder / "transforms.json").write_text(json.dumps({**content, "ply_file_path": "sparse_pc.ply"}))
    points = read_capture(folder).points
    assert points is not None and "no such file" not in caplog.text
    torch.testing.assert_close(points, make_head().means, atol=1e-6, rtol=0)
    (folder / "transforms.json").write_text(json.dumps({**content, "ply_file_path": "gone.ply"}))
    assert read_capture(folder).points is None
    assert "gone.ply, but there is no such file" in caplog.text


def test_instant_ngps_fisheye_is_one(folder: Path) -> None:
    content = content_of(folder)
    for frame in content["frames"]:
        frame |= {"fl_x": 40, "fl_y": 40}  # wide: a fisheye bends what is far from the middle
    (folder / "transforms.json").write_text(json.dumps({**content, "k1": 0.3}))
    plain = read_capture(folder).views[0].image
    (folder / "transforms.json").write_text(json.dumps({**content, "is_fisheye": True, "k1": 0.3}))
    fisheye = read_capture(folder).views[0].image
    for frame in content["frames"]:
        frame["camera_model"] = "OPENCV_FISHEYE"
    (folder / "transforms.json").write_text(json.dumps({**content, "k1": 0.3}))
    assert torch.equal(fisheye, read_capture(folder).views[0].image)
    assert float((fisheye - plain).abs().max()) > 0.05


@pytest.mark.parametrize("form", ["absolute", "up", "windows"])
def test_paths_may_be_absolute_go_up_or_come_from_windows(folder: Path, form: str) -> None:
    content = content_of(folder)
    other = folder.with_name("elsewhere")
    (folder / "images").rename(other)
    for frame in content["frames"]:
        name = Path(frame["file_path"]).name
        frame["file_path"] = {
            "absolute": str(other / name),
            "up": f"../elsewhere/{name}",
            "windows": f"..\\elsewhere\\{name}",
        }[form]
    (folder / "transforms.json").write_text(json.dumps(content))
    capture = read_capture(folder)
    require_the_views(capture)
    assert (other / "00000_00.png").resolve() in capture.files
    assert (folder / "images" / "00000_00.png").resolve() not in capture.files
    assert float(capture.views[0].image.min()) < 0.9
