"""The crop that the network sees: points of the head fall on the pixels that show them."""

import numpy as np
import pytest
import torch

from fastavatar.core import Camera, frontal_camera
from fastavatar.errors import InputError
from fastavatar.models.surface import Framed, bilinear, framed

WIDTH, HEIGHT = 90, 150


def asymmetric_picture(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Red grows across, green down; the person is the lower left of the picture."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rgb = np.stack([columns / camera.width, rows / camera.height, 0 * rows], -1).astype(np.float32)
    return rgb, ((columns < 0.6 * camera.width) & (rows > 0.3 * camera.height)).astype(np.float32)


def at(crop: Framed, points: torch.Tensor) -> torch.Tensor:
    pixels, _ = crop.camera.project(points)
    return bilinear(crop.picture[None].float() / 255, pixels[None])[0]


@pytest.mark.parametrize("azimuth", [0.0, 35.0])
def test_a_point_has_the_colours_of_its_pixel(azimuth: float) -> None:
    camera = frontal_camera(0.9, 140.0, WIDTH, HEIGHT).orbited(azimuth, 10.0)
    camera = camera.cropped(8, -20, 8 + WIDTH, HEIGHT - 20)  # off the middle of the picture
    rgb, mask = asymmetric_picture(camera)
    crop = framed(rgb, np.ones_like(mask), camera, 64)
    points = torch.tensor([[0.05, 0.02, 0.03], [-0.08, -0.1, 0.0], [0.0, 0.06, -0.05]])
    pixels, _ = camera.project(points)
    wanted = pixels / torch.tensor([WIDTH, HEIGHT])
    torch.testing.assert_close(at(crop, points)[:, :2], wanted, atol=0.02, rtol=0)


def test_backdrop_is_white_and_nobody_is_there_nor_beyond_the_picture() -> None:
    camera = frontal_camera(0.4, 140.0, WIDTH, HEIGHT)
    rgb, mask = asymmetric_picture(camera)
    crop = framed(rgb, mask, camera, 64)
    upper_right, beside = torch.tensor([[0.1, 0.1, 0.0]]), torch.tensor([[0.22, -0.1, 0.0]])
    for point in (upper_right, beside):
        torch.testing.assert_close(at(crop, point)[0], torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=0.01, rtol=0)
    lower_left = at(crop, torch.tensor([[-0.05, -0.1, 0.0]]))[0]
    assert lower_left[3] > 0.99 and lower_left[2] < 0.01


def test_a_camera_that_looks_away_is_refused() -> None:
    behind = frontal_camera(-1.0, 140.0, WIDTH, HEIGHT)
    with pytest.raises(InputError, match="looks away"):
        framed(*asymmetric_picture(behind), behind, 32)
