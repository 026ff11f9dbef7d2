from typing import Any

import numpy as np
import torch

from fastavatar.core import Mesh, frontal_camera
from fastavatar.rendering import draw_mesh, texture_colors
from tests.rendering.shapes import ball


def square(**more: Any) -> Mesh:
    """A square of 20 cm that faces the camera, with its texture upright."""
    corners = torch.tensor([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0.1, 0.1, 0], [-0.1, 0.1, 0]])
    uv = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    return Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), uv=uv, **more)


CAMERA = frontal_camera(1.0, 160.0, 64, 64)


def test_a_texture_stands_upright_and_is_shown_as_it_is() -> None:
    quarters = torch.zeros(2, 2, 3, dtype=torch.uint8)
    quarters[0, 0, 0], quarters[0, 1, 1], quarters[1, 0, 2] = 255, 255, 255  # red, green; blue, black
    texture = quarters.repeat_interleave(32, 0).repeat_interleave(32, 1)
    drawn = draw_mesh(square(texture=texture), CAMERA, (1, 1, 1))
    for row, column, wanted in (
        (20, 20, (1, 0, 0)),
        (20, 44, (0, 1, 0)),
        (44, 20, (0, 0, 1)),
        (44, 44, (0, 0, 0)),
    ):
        assert drawn.image[row, column].tolist() == list(wanted)
    assert drawn.image[2, 2].tolist() == [1, 1, 1] and drawn.alpha[2, 2] == 0
    assert float(drawn.depth[20, 20]) == 1.0
    assert float(drawn.alpha.mean()) * 64**2 == 32**2


def test_colours_of_vertices_are_shown_where_there_is_no_texture() -> None:
    colors = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    drawn = draw_mesh(square(colors=colors), CAMERA)
    assert torch.allclose(drawn.image[32, 32], torch.tensor([0.5, 0.5, 0.0]), atol=0.03)


def test_a_triangle_without_area_in_the_texture_has_the_colours_of_its_vertices() -> None:
    made = square(texture=torch.zeros(8, 8, 3, dtype=torch.uint8), colors=torch.full((4, 3), 0.75))
    flat = Mesh(**{**vars(made), "uv": torch.full((4, 2), 0.5)})
    assert torch.allclose(draw_mesh(flat, CAMERA).image[32, 32], torch.full((3,), 0.75))
    assert not draw_mesh(made, CAMERA).image[32, 32].any()


def test_a_bare_ball_is_grey_and_darker_where_it_turns_away() -> None:
    vertices, faces = ball(0.1, 2000)
    drawn = draw_mesh(Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces)), CAMERA)
    middle, side = drawn.image[32, 32], drawn.image[32, 18]
    assert float(middle.std()) < 1e-6 and float(middle[0]) > 0.75 and float(side[0]) < 0.7 * float(middle[0])


def test_between_four_texels_colours_are_weighed_by_area() -> None:
    texture = torch.tensor([[[0, 0, 0], [100, 0, 0]], [[0, 200, 0], [100, 200, 0]]], dtype=torch.uint8)
    found = texture_colors(texture, torch.tensor([[0.5, 0.5], [0.0, 1.0], [0.625, 0.5]])) * 255
    np.testing.assert_allclose(found.numpy(), [[50, 100, 0], [0, 0, 0], [75, 100, 0]], atol=1e-9)
