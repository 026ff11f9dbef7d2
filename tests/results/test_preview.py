from dataclasses import replace

import numpy as np
import torch

from fastavatar.core import Gaussians, Photo, concatenate, encode_colors
from fastavatar.results.preview import TILE_PX, compose_preview
from tests.results.avatars import HEIGHT, WIDTH, make_avatar


def test_the_tiles_show_what_they_should() -> None:
    preview = compose_preview(make_avatar())
    assert preview.shape == (TILE_PX, 6 * TILE_PX, 3) and preview.dtype == np.uint8
    photo, front, right30, left30, right60, left60 = np.split(preview, 6, axis=1)
    middle = slice(TILE_PX // 2 - 40, TILE_PX // 2 + 40)
    red = [float(tile[middle, middle, 0].mean()) for tile in (right60, right30, front, left30, left60)]
    assert all(b > a + 15 for a, b in zip(red, red[1:], strict=False))  # red grows to the person's left
    blue = [float(tile[middle, middle, 2].mean()) for tile in (left60, left30, front)]
    assert all(b > a + 10 for a, b in zip(blue, blue[1:], strict=False))  # blue is what the camera faces
    assert front[60, TILE_PX // 2, 1] > 180 and front[-60, TILE_PX // 2, 1] < 80  # green above
    assert (photo[100:280, 100:280] == 100).all()
    assert (front[:8, :8] == 255).all()  # white where nothing is


def test_the_photo_is_framed_as_the_avatar_is_and_white_beyond_its_rim() -> None:
    avatar = make_avatar()
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    center = torch.tensor([[0.05, 0.03, 0.11]])
    (x, y), radius = avatar.camera.project(center)[0][0].tolist(), 3
    rgb[round(y) - radius : round(y) + radius, round(x) - radius : round(x) + radius] = 255
    ball = avatar.gaussians
    dot = Gaussians(
        center,
        ball.quats_wxyz[:1],
        torch.full((1, 3), -4.3),
        torch.tensor([9.0]),
        encode_colors(torch.ones(1, 1, 3)),
    )
    black = replace(ball, sh=encode_colors(torch.zeros_like(ball.sh)))
    shown = compose_preview(
        replace(avatar, gaussians=concatenate([black, dot]), photo=Photo(rgb, None, None, avatar.photo.path))
    )
    photo, front = shown[:, :TILE_PX, 0] > 128, shown[:, TILE_PX : 2 * TILE_PX, 0] > 128
    inside = np.zeros_like(photo)
    inside[60:240, 160:340] = True
    spots = [np.argwhere(tile & inside).mean(0) for tile in (photo, front)]
    np.testing.assert_allclose(spots[0], spots[1], atol=12)
    half = replace(avatar, photo=replace(avatar.photo, rgb=avatar.photo.rgb[:45]))
    assert (compose_preview(half)[250:340, :TILE_PX] == 255).all()


def test_a_head_at_the_rim_of_the_photo_stays_where_it_is() -> None:
    avatar = make_avatar()
    shifted = avatar.camera.K.clone()
    shifted[0, 2] = 5.0  # the head's middle, 5 px from the left rim
    photo = compose_preview(replace(avatar, camera=replace(avatar.camera, K=shifted)))[:, :TILE_PX]
    assert (photo[100:280, :100] == 255).all() and (photo[100:280, 180:] == 100).all()


def test_the_background_is_behind_the_avatar() -> None:
    preview = compose_preview(make_avatar(), (0.2, 0.4, 1.0))
    corners = preview[2, TILE_PX + 2 :: TILE_PX]
    assert (corners == [51, 102, 255]).all()
