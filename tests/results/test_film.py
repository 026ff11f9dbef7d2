from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastavatar.core import Camera, Gaussians, encode_colors
from fastavatar.rendering import render
from fastavatar.rendering.camera_paths import PATHS
from fastavatar.results.film import draw_depth_film, draw_film, head_cameras, write_turntable
from fastavatar.results.video import Picture
from tests.synthetic_capture import fibonacci_directions, make_head


def make_ball() -> Gaussians:
    """A closed ball whose colours are its directions."""
    directions = fibonacci_directions(2000)
    head = make_head(2000)
    return replace(head, means=0.1 * directions, sh=encode_colors((directions + 1) / 2)[:, None])


@pytest.mark.parametrize("path", PATHS)
def test_the_head_stays_whole_and_in_the_middle_all_the_way(path: str) -> None:
    head = make_head(2000)
    for camera in head_cameras(head, path, 6, 40, elevation_deg=10):
        alpha = render(head, camera).alpha
        rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
        for place in (rows, columns):
            assert float((place * alpha).sum() / alpha.sum()) == pytest.approx(19.5, abs=1.5)
        rim = torch.cat([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert float(rim.max()) < 0.05 and float(alpha.max(dim=1).values.gt(0.5).sum()) > 28


def test_the_turntable_shows_the_left_side_then_the_back() -> None:
    """Red grows to the person's left, green upward and blue out of the face."""
    ball = make_ball()
    front, left, back, right = draw_film(ball, head_cameras(ball, "turntable", 4, 48))
    middle = slice(20, 28)
    red = [float(picture[middle, middle, 0].mean()) for picture in (right, front, left)]
    blue = [float(picture[middle, middle, 2].mean()) for picture in (back, left, front)]
    assert red[0] + 40 < red[1] < red[2] - 40 and blue[0] + 40 < blue[1] < blue[2] - 40
    above = front[14:18, middle, 1].mean() - front[30:34, middle, 1].mean()
    assert above > 40  # green grows upward


def test_a_picture_is_what_render_draws_over_the_background() -> None:
    head = make_head()
    camera = head_cameras(head, frames=1, size_px=24)[0]
    (picture,) = draw_film(head, [camera], (0.2, 0.4, 1.0))
    expected = (render(head, camera, (0.2, 0.4, 1.0)).image.clamp(0, 1) * 255).round()
    assert np.array_equal(picture, expected.byte().numpy())
    assert picture[0, 0].tolist() == [51, 102, 255]


def test_a_transparent_picture_laid_over_a_colour_is_the_picture_over_that_colour() -> None:
    head = make_ball()
    camera = head_cameras(head, frames=1, size_px=40)[0]
    (picture,) = draw_film(head, [camera], None)
    assert picture.shape == (40, 40, 4)
    alpha = picture[..., 3:].astype(float) / 255
    assert alpha[0, 0] == 0 and alpha[20, 20] > 0.98 and ((alpha > 0.1) & (alpha < 0.9)).any()
    for color in ((1.0, 1.0, 1.0), (0.2, 0.4, 1.0)):
        (expected,) = draw_film(head, [camera], color)
        laid = picture[..., :3] * alpha + 255 * np.array(color) * (1 - alpha)
        assert np.abs(laid - expected).max() < 2
    # no black where nothing is, which codecs would mix into the rim
    assert (picture[..., :3].max(2) > 60).all()


def test_depth_is_bright_where_it_is_near_and_black_where_nothing_is() -> None:
    head = make_head(2000)
    (picture,) = draw_depth_film(head, head_cameras(head, frames=1, size_px=40))
    assert (picture[..., 0] == picture[..., 1]).all() and (picture[..., 0] == picture[..., 2]).all()
    grey = picture[..., 0].astype(int)
    assert grey[0, 0] == 0 and 240 > grey[20, 20] > grey[20, 10] + 15 > 150


def test_a_turntable_is_one_call(tmp_path: Path) -> None:
    write_turntable(make_head(60), tmp_path / "turntable.webp")
    with Image.open(tmp_path / "turntable.webp") as animation:
        assert getattr(animation, "n_frames", 1) == 120 and animation.size == (512, 512)


@pytest.mark.parametrize("draw", [draw_film, draw_depth_film])
def test_pictures_that_show_nothing_are_counted(
    draw: Callable[[Gaussians, list[Camera]], Iterator[Picture]], caplog: pytest.LogCaptureFixture
) -> None:
    head = make_head()
    (camera,) = head_cameras(head, frames=1, size_px=24)
    away = replace(
        camera, world_to_camera=torch.diag(torch.tensor([-1.0, 1, -1, 1])) @ camera.world_to_camera
    )
    assert len(list(draw(head, [camera]))) == 1 and not caplog.messages
    assert len(list(draw(head, [camera, away, away]))) == 3
    assert len(list(draw(replace(head, opacity_logits=head.opacity_logits - 1e30), [camera]))) == 1
    assert [message[:26] for message in caplog.messages] == [
        "2 of 3 pictures are empty:",
        "1 of 1 pictures are empty:",
    ]
