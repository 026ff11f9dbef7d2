import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastavatar.captures import read_capture
from fastavatar.errors import InputError
from fastavatar.rendering import render
from tests.synthetic_capture import (
    AZIMUTHS_DEG,
    HEIGHT,
    WIDTH,
    make_cameras,
    make_head,
    make_mesh,
    write_capture,
    write_colmap,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("capture")
    write_capture(path, mesh=True)
    (path / "flame_param").mkdir()
    np.savez(path / "flame_param" / "00000.npz", shape=np.arange(3.0, dtype=np.float32))
    write_colmap(path)
    return path


def test_a_written_capture_is_read_back(folder: Path) -> None:
    capture = read_capture(folder)
    assert [view.name for view in capture.views] == [f"00000_{i:02d}" for i in range(len(AZIMUTHS_DEG))]
    for view, camera in zip(capture.views, make_cameras(), strict=True):
        torch.testing.assert_close(view.camera.K, camera.K)
        torch.testing.assert_close(view.camera.world_to_camera, camera.world_to_camera)
        assert (view.camera.width, view.camera.height) == (WIDTH, HEIGHT)
        shown = render(make_head(), camera)
        torch.testing.assert_close(view.image, shown.image.clamp(0, 1), atol=1 / 255, rtol=0)
        torch.testing.assert_close(view.mask, shown.alpha, atol=1 / 255, rtol=0)
    assert capture.points is not None and capture.mesh is not None
    torch.testing.assert_close(capture.points, make_head().means, atol=1e-6, rtol=0)
    assert torch.equal(capture.mesh.faces, make_mesh().faces)
    assert capture.flame["shape"].tolist() == [0, 1, 2]


def test_cameras_stand_where_the_frames_say(folder: Path) -> None:
    found = [view.camera.azimuth_elevation_deg[0] for view in read_capture(folder).views]
    assert found == pytest.approx(AZIMUTHS_DEG, abs=0.5)


def test_colmap_gives_the_same_views(folder: Path) -> None:
    one, other = read_capture(folder), read_capture(folder, source="colmap")
    for a, b in zip(one.views, other.views, strict=True):
        assert a.name == b.name and torch.equal(a.image, b.image) and torch.equal(a.mask, b.mask)
        torch.testing.assert_close(a.camera.K, b.camera.K)
        torch.testing.assert_close(a.camera.world_to_camera, b.camera.world_to_camera, atol=2e-6, rtol=0)
    (folder / "points3d.ply").rename(folder / "hidden.ply")
    only_colmap = read_capture(folder, source="colmap").points
    (folder / "hidden.ply").rename(folder / "points3d.ply")
    assert only_colmap is not None and one.points is not None
    torch.testing.assert_close(only_colmap, one.points, atol=1e-6, rtol=0)
    assert other.flame.keys() == one.flame.keys()


def test_a_damaged_colmap_model_is_an_input_error(tmp_path: Path) -> None:
    write_capture(tmp_path)
    write_colmap(tmp_path)
    (tmp_path / "sparse" / "0" / "cameras.txt").write_text("1 PERISCOPE 44 56 160 160 22 28\n")
    with pytest.raises(InputError, match="sparse"):
        read_capture(tmp_path, source="colmap")


def test_views_are_sorted_by_name(folder: Path, tmp_path: Path) -> None:
    _copy(folder, tmp_path, lambda content: content["frames"].reverse())
    names = [view.name for view in read_capture(tmp_path).views]
    assert names == sorted(names)


def test_top_level_intrinsics_and_missing_endings_are_accepted(folder: Path, tmp_path: Path) -> None:
    def shorten(content: dict[str, Any]) -> None:
        for frame in content["frames"]:
            for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
                content[key] = frame.pop(key)
            frame["file_path"] = frame["file_path"].removesuffix(".png")
            del frame["fg_mask_path"]

    _copy(folder, tmp_path, shorten)
    for a, b in zip(read_capture(folder).views, read_capture(tmp_path).views, strict=True):
        assert torch.equal(a.camera.K, b.camera.K) and torch.equal(a.mask, b.mask)


def test_of_a_sequence_the_first_time_step_is_read(folder: Path, tmp_path: Path) -> None:
    def number_steps(content: dict[str, Any]) -> None:
        for frame, step in zip(content["frames"], (7, 3, 3, 9, 7), strict=True):
            frame["timestep_index"] = step

    _copy(folder, tmp_path, number_steps)
    assert [view.name for view in read_capture(tmp_path).views] == ["00000_01", "00000_02"]


def test_field_of_view_stands_in_for_the_focal_length(folder: Path, tmp_path: Path) -> None:
    def shorten(content: dict[str, Any]) -> None:
        for frame in content["frames"]:
            frame["camera_angle_x"] = 2 * np.arctan(frame["w"] / 2 / frame.pop("fl_x"))
            del frame["fl_y"]

    _copy(folder, tmp_path, shorten)
    torch.testing.assert_close(read_capture(tmp_path).views[0].camera.K, make_cameras()[0].K)


def _spoil(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["frames"][1][key] = value

    return change


def _spoil_matrix(factors: list[float]) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        matrix = np.array(content["frames"][1]["transform_matrix"]) * np.array(factors)
        content["frames"][1]["transform_matrix"] = matrix.tolist()

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_spoil("file_path", "images/gone.png"), "there is no file"),
        (_spoil("fg_mask_path", "fg_masks/gone.png"), "there is no file"),
        (_spoil("w", 45), "the calibration is for 45×56 pixels"),
        (_spoil("fl_x", -1), "bad intrinsics"),
        (_spoil("fl_x", "wide"), "fl_x must be a number, found 'wide'"),
        (_spoil("cx", float("nan")), "bad intrinsics"),
        (_spoil("camera_model", "PERISCOPE"), "unknown camera model 'PERISCOPE'"),
        (_spoil("camera_model", ["OPENCV"]), "unknown camera model"),
        (_spoil("k4", 0.1), "camera model OPENCV has no parameter k4, found k4 = 0.1"),
        (_spoil("k1", float("inf")), "the distortion has non-finite numbers"),
        (_spoil("transform_matrix", [[1, 0], [0, 1]]), "must be 4×4"),
        (_spoil("transform_matrix", np.zeros((4, 4)).tolist()), "singular"),
        (_spoil("transform_matrix", [[1, 2], [3]]), "must be 4×4 numbers, found rows of 2, 1"),
        (_spoil_matrix([1, 1, 0, 1]), "singular"),
        (_spoil_matrix([-1, 1, 1, 1]), "mirrored"),
        (_spoil_matrix([2, 2, 2, 1]), "not a rotation and a translation"),
        (_spoil_matrix([1, 1, 1, float("nan")]), "non-finite"),
        (_spoil_matrix([1, 1, 1, 2]), "not a rotation and a translation"),
    ],
)
def test_a_bad_frame_is_named(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    _copy(folder, tmp_path, change)
    with pytest.raises(InputError, match=message) as caught:
        read_capture(tmp_path)
    assert re.search(r"transforms\.json: frame 1 \(images/", str(caught.value))
    assert "\n" not in str(caught.value)


def test_pictures_that_cannot_be_used_are_named(folder: Path, tmp_path: Path) -> None:
    _copy(folder, tmp_path, lambda content: None)
    image = tmp_path / "images" / "00000_02.png"
    Image.new("I;16", (WIDTH, HEIGHT)).save(image)
    with pytest.raises(InputError, match=r"frame 2 .*00000_02\.png is of mode I;16"):
        read_capture(tmp_path)
    image.write_bytes((folder / "images" / "00000_02.png").read_bytes()[:60])
    damaged = read_capture(tmp_path).views[2]
    with pytest.raises(InputError, match=r"frame 2 .*cannot read .*00000_02\.png"):
        _ = damaged.image
    image.write_bytes((folder / "images" / "00000_02.png").read_bytes())
    Image.new("L", (WIDTH + 1, HEIGHT)).save(tmp_path / "fg_masks" / "00000_02.png")
    with pytest.raises(InputError, match=r"frame 2 .*the mask .* has 45×56 pixels, the image 44×56"):
        read_capture(tmp_path)


def test_a_folder_that_is_no_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no capture folder"):
        read_capture(tmp_path / "gone")
    with pytest.raises(InputError, match=r"neither transforms\.json nor sparse/0"):
        read_capture(tmp_path)
    (tmp_path / "transforms.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*transforms\.json"):
        read_capture(tmp_path)
    (tmp_path / "transforms.json").write_text('{"frames": []}')
    with pytest.raises(InputError, match="at least one frame"):
        read_capture(tmp_path)


def test_two_frames_cannot_share_an_image(folder: Path, tmp_path: Path) -> None:
    _copy(folder, tmp_path, lambda content: content["frames"].append(content["frames"][0]))
    with pytest.raises(InputError, match=r"two frames share the image .*00000_00\.png"):
        read_capture(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("points3d.ply", "points3d"), ("mesh.npz", "mesh"), ("flame_param/00000.npz", "00000")],
)
def test_damaged_surfaces_are_named(folder: Path, tmp_path: Path, name: str, message: str) -> None:
    _copy(folder, tmp_path, lambda content: None)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"ply nonsense")
    with pytest.raises(InputError, match=message):
        read_capture(tmp_path)


def test_a_mesh_whose_faces_name_no_vertex(folder: Path, tmp_path: Path) -> None:
    _copy(folder, tmp_path, lambda content: None)
    np.savez(tmp_path / "mesh.npz", vertices=np.zeros((3, 3)), faces=np.array([[0, 1, 3]]))
    with pytest.raises(InputError, match="not among the 3"):
        read_capture(tmp_path)


def _copy(folder: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """The capture's pictures and its transforms.json after `change`."""
    for path in [*folder.glob("images/*"), *folder.glob("fg_masks/*")]:
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    content = json.loads((folder / "transforms.json").read_text())
    change(content)
    (target / "transforms.json").write_text(json.dumps(content))
