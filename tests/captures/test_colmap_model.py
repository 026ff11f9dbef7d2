"""COLMAP models as COLMAP's own library reads and writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastavatar.captures import read_capture
from fastavatar.captures.colmap_model import CAMERA_PARAMETERS, ColmapModel, parse_colmap
from fastavatar.errors import InputError
from tests.synthetic_capture import write_capture, write_colmap


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_colmap(tmp_path)
    return tmp_path / "sparse" / "0"


@pytest.fixture
def pycolmap() -> Any:
    return pytest.importorskip("pycolmap", reason="pycolmap is not installed")


def put_in_rigs(model: Path) -> None:
    """Rig 7 with the cameras 1 and 2, whose frame has two images; the other images in rigs of their own."""
    alone = [f"{key} 1 CAMERA {key}" for key in (3, 4, 5)]
    rig = "7 3 CAMERA 1 CAMERA 2 1 0.5 0.5 -0.5 0.5 0.01 -0.02 0.03 IMU 9 0"
    (model / "rigs.txt").write_text("\n".join(["# rigs", rig, *alone]) + "\n")
    frames = [f"{key} {key} 0.6 0 0 0.8 0 0.1 {key} 1 CAMERA {key} {key}" for key in (3, 4, 5)]
    frame = "1 7 0.8 0.4 0.4 -0.2 1 2 3 2 CAMERA 1 1 CAMERA 2 2"
    (model / "frames.txt").write_text("\n".join([frame, *frames]) + "\n")


def require_same(found: ColmapModel, expected: Any) -> None:
    assert set(found.cameras) == set(expected.cameras) and set(found.images) == set(expected.images)
    for key, camera in found.cameras.items():
        other = expected.cameras[key]
        assert (camera.model, camera.size) == (other.model_name, (other.width, other.height))
        assert camera.parameters == tuple(other.params)
    for key, image in found.images.items():
        other = expected.images[key]
        assert (image.name, image.camera_id) == (other.name, other.camera_id)
        matrix = other.cam_from_world().matrix()
        np.testing.assert_allclose(image.world_to_camera[:3].numpy(), matrix, atol=1e-12)
    points = [expected.points3D[key].xyz for key in sorted(expected.points3D)]
    np.testing.assert_array_equal(found.points.numpy(), np.array(points, np.float32))


@pytest.mark.parametrize("in_rigs", [False, True])
def test_cameras_images_and_points_are_colmaps_own(model: Path, pycolmap: Any, in_rigs: bool) -> None:
    if in_rigs:
        put_in_rigs(model)
    expected = pycolmap.Reconstruction(model)
    require_same(parse_colmap(model), expected)
    for text in model.glob("*.txt"):
        text.unlink()
    expected.write_binary(model)
    require_same(parse_colmap(model), expected)


def test_every_camera_model_is_read_in_both_forms(model: Path, pycolmap: Any) -> None:
    lines = [
        f"{key} {name} 44 56 " + " ".join(str(20 + number) for number in range(count))
        for key, (name, count) in enumerate(CAMERA_PARAMETERS.items(), 1)
        if name != "EQUIRECTANGULAR"  # its parameters are the picture's size
    ]
    (model / "cameras.txt").write_text("\n".join(lines) + "\n")
    expected = pycolmap.Reconstruction(model)
    require_same(parse_colmap(model), expected)
    expected.write_binary(model)
    (model / "cameras.txt").unlink()
    require_same(parse_colmap(model), expected)


def test_tracks_and_points_in_pictures_are_passed_over(model: Path, pycolmap: Any) -> None:
    lines = (model / "images.txt").read_text().splitlines()
    lines[1::2] = ["1.5 2.5 1 3.5 4.5 -1", *lines[3::2]]
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    points = (model / "points3D.txt").read_text().splitlines()
    points[0] += " 1 0"
    (model / "points3D.txt").write_text("\n".join(points) + "\n")
    expected = pycolmap.Reconstruction(model)
    require_same(parse_colmap(model), expected)
    expected.write_binary(model)
    for text in model.glob("*.txt"):
        text.unlink()
    require_same(parse_colmap(model), expected)


def test_an_image_without_a_frame_has_no_pose(tmp_path: Path) -> None:
    write_capture(tmp_path)
    write_colmap(tmp_path)
    model = tmp_path / "sparse" / "0"
    put_in_rigs(model)
    frames = (model / "frames.txt").read_text().splitlines()
    (model / "frames.txt").write_text("\n".join(frames[:-1]) + "\n")
    names = [view.name for view in read_capture(tmp_path, source="colmap").views]
    assert names == ["00000_00", "00000_01", "00000_02", "00000_03"]


def test_a_name_may_hold_spaces(model: Path) -> None:
    path = model / "images.txt"
    path.write_text(path.read_text().replace("00000_01.png", "a b  c.png"))
    assert parse_colmap(model).images[2].name == "a b  c.png"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("cameras", "1 PINHOLE", "1 PERISCOPE", "cameras.txt has 'PERISCOPE', and SIMPLE_PINHOLE"),
        ("cameras", "1 PINHOLE 44 56", "1 PINHOLE 44 56 7", "cameras.txt has a line with too many fields"),
        ("cameras", "160.0 22.0 28.0", "160.0 22.0", "cameras.txt has a line that ends too early"),
        ("cameras", "2 PINHOLE", "1 PINHOLE", "cameras.txt has an id twice"),
        ("cameras", "1 PINHOLE 44", "1 PINHOLE -44", "has '-44' where a whole number belongs"),
        ("cameras", "1 PINHOLE", "99 PINHOLE", "image 00000_00.png names camera 1, which cameras.txt lacks"),
        ("images", "1 0.", "1 zero", "where a number belongs"),
        ("points3D", "1 0.", "9" * 5000 + " 0.", "where a whole number belongs"),
        ("rigs", "7 3", "7 1000000000", "rigs.txt has a line that ends too early"),
        ("frames", "1 7", "1 8", "frame 1 names a rig or camera that is missing"),
        ("frames", "0.8 0.4 0.4 -0.2", "0 0 0 0", "frames.txt has a rotation whose quaternion is zero"),
    ],
)
def test_a_damaged_text_file_is_named(model: Path, name: str, old: str, new: str, said: str) -> None:
    put_in_rigs(model)
    path = model / f"{name}.txt"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as refused:
        parse_colmap(model)
    assert said in str(refused.value) and len(str(refused.value)) < 600


def test_a_file_that_is_missing_is_named(model: Path) -> None:
    (model / "points3D.txt").unlink()
    with pytest.raises(InputError, match=r"it has no points3D\.txt"):
        parse_colmap(model)


def test_bytes_after_the_last_record_are_refused(model: Path, pycolmap: Any) -> None:
    pycolmap.Reconstruction(model).write_binary(model)
    path = model / "images.bin"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"images\.bin holds more than its counts say"):
        parse_colmap(model)
