from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fastavatar.captures import read_capture
from fastavatar.captures.lens import MODELS, Lens, lens_from, undistort
from fastavatar.errors import InputError
from tests.synthetic_capture import frame_entry, make_cameras, save_picture, write_transforms

LENSES = {
    "OPENCV": {"k1": -0.3, "k2": 0.1, "p1": 0.01, "p2": -0.02},
    "FULL_OPENCV": {"k1": 0.2, "k2": -0.1, "p1": 0.005, "k3": 0.02, "k4": -0.2, "k5": -0.05, "k6": 0.01},
    "OPENCV_FISHEYE": {"k1": 0.1, "k2": -0.02, "k3": 0.01, "k4": -0.003},
    "SIMPLE_RADIAL": {"k1": -0.25},
}
SIZE, FOCAL = 96, 90.0
coefficient = st.floats(-0.2, 0.2)


@given(st.lists(coefficient, min_size=6, max_size=6), st.tuples(coefficient, coefficient))
def test_distortion_is_opencvs(radial: list[float], tangential: tuple[float, float]) -> None:
    cv2 = pytest.importorskip("cv2")
    on_plane = torch.rand(50, 2, dtype=torch.float64) - 0.5
    rays = np.concatenate([on_plane.numpy(), np.ones((50, 1))], 1)
    k = radial
    expected, _ = cv2.projectPoints(
        rays, np.zeros(3), np.zeros(3), np.eye(3), np.array([*k[:2], *tangential, *k[2:]])
    )
    found = Lens(tuple(radial), tangential).distort(on_plane)
    np.testing.assert_allclose(found.numpy(), expected[:, 0], atol=1e-9)


@given(st.lists(coefficient, min_size=4, max_size=4))
def test_fisheye_is_opencvs(radial: list[float]) -> None:
    cv2 = pytest.importorskip("cv2")
    on_plane = torch.rand(50, 2, dtype=torch.float64) - 0.5
    expected = cv2.fisheye.distortPoints(on_plane.numpy()[:, None], np.eye(3), np.array(radial))
    found = Lens(tuple(radial), fisheye=True).distort(on_plane)
    np.testing.assert_allclose(found.numpy(), expected[:, 0], atol=1e-9)


@pytest.mark.parametrize("model", LENSES)
def test_reading_undoes_what_the_lens_did(tmp_path: Path, model: str) -> None:
    lens = lens_from(model, LENSES[model])
    entry = frame_entry(make_cameras()[0], "a")
    entry |= {"fl_x": FOCAL, "fl_y": FOCAL, "cx": 47.0, "cy": 49.5, "w": SIZE, "h": SIZE}
    entry |= {"camera_model": model, **LENSES[model]}
    del entry["fg_mask_path"]
    plane = _plane()
    save_picture(_texture(_inverse(lens, plane)), tmp_path / "images" / "a.png")
    write_transforms(tmp_path, [entry])
    view = read_capture(tmp_path).views[0]
    inner = view.mask > 0.99
    assert float(inner.float().mean()) > 0.7
    assert float((view.image - _texture(plane))[inner].abs().max()) < 0.03
    assert float((_texture(_inverse(lens, plane)) - _texture(plane)).abs().max()) > 0.15  # it did something


def test_outside_the_original_the_view_is_white_and_masked(tmp_path: Path) -> None:
    entry = frame_entry(make_cameras()[0], "a")
    entry |= {"fl_x": FOCAL, "fl_y": FOCAL, "cx": 48.0, "cy": 48.0, "w": SIZE, "h": SIZE, "k1": 0.5}
    del entry["fg_mask_path"]
    save_picture(torch.zeros(SIZE, SIZE, 3), tmp_path / "images" / "a.png")
    write_transforms(tmp_path, [entry])
    view = read_capture(tmp_path).views[0]
    assert view.image[0, 0].tolist() == [1, 1, 1] and float(view.mask[0, 0]) == 0
    assert view.image[48, 48].tolist() == [0, 0, 0] and float(view.mask[48, 48]) == 1


def test_a_straight_lens_changes_nothing() -> None:
    picture = torch.rand(5, 7, 3)
    assert undistort(picture, lens_from("PINHOLE", {}), torch.eye(3)) is picture


def test_unknown_models_are_refused_and_the_known_named() -> None:
    with pytest.raises(InputError, match="PERISCOPE.*SIMPLE_PINHOLE.*OPENCV_FISHEYE"):
        lens_from("PERISCOPE", {})
    assert lens_from("OPENCV_FISHEYE", {}).fisheye and not any(
        lens_from(model, {}).fisheye for model in MODELS if "FISHEYE" not in model
    )


def _plane() -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SIZE) + 0.5, torch.arange(SIZE) + 0.5, indexing="ij")
    return torch.stack([columns - 47.0, rows - 49.5], -1).double() / FOCAL


def _inverse(lens: Lens, distorted: Tensor) -> Tensor:
    """Undistorted points on the plane for points `distorted`, by fixed-point iteration."""
    plane = distorted
    for _ in range(200):
        plane = plane + 0.5 * (distorted - lens.distort(plane))
    return plane


def _texture(plane: Tensor) -> Tensor:
    """A smooth picture as a function of the ray."""
    x, y = plane.unbind(-1)
    waves = [torch.sin(9 * x + 2 * y), torch.cos(8 * y - 3 * x), torch.sin(7 * (x + y))]
    return (0.5 + 0.4 * torch.stack(waves, -1)).float()


@pytest.mark.parametrize(
    "lens", [Lens((1e30,)), Lens((0.0, 1e9)), Lens((), (0.0, 1e9)), Lens((1e12,), fisheye=True)]
)
def test_distortion_that_leaves_nothing_of_a_picture_is_refused(lens: Lens) -> None:
    K = torch.tensor([[80.0, 0, 32], [0, 80, 24], [0, 0, 1]])
    with pytest.raises(InputError, match="takes all but .% of the picture out of view"):
        undistort(torch.ones(48, 64, 3), lens, K)


def test_a_view_with_absurd_distortion_names_its_frame(tmp_path: Path) -> None:
    entry = frame_entry(make_cameras()[0], "a") | {"w": SIZE, "h": SIZE, "k1": 1e30}
    del entry["fg_mask_path"]
    save_picture(torch.zeros(SIZE, SIZE, 3), tmp_path / "images" / "a.png")
    write_transforms(tmp_path, [entry])
    view = read_capture(tmp_path).views[0]
    with pytest.raises(InputError, match=r"frame 0 \(images/a.png\): the lens's distortion"):
        _ = view.image
