import numpy as np
import torch

from fastavatar.captures import View
from fastavatar.core import Camera, frontal_camera
from fastavatar.geometry import Array
from fastavatar.models.points.bust import HALF_WIDTH_M, complete_bust
from fastavatar.models.points.cut_line import SLOPE, CutLine, find_cut_line
from fastavatar.surfaces.points import Surface, surface_of
from tests.synthetic_capture import fibonacci_directions

WIDTH, HEIGHT = 220, 320


def _camera(azimuth_deg: float, elevation_deg: float) -> Camera:
    return frontal_camera(1.0, 500.0, WIDTH, HEIGHT).orbited(azimuth_deg, elevation_deg)


def _neck(turn_deg: float = 0.0) -> Surface:
    """A head and neck as an ellipsoid that is broader than deep, turned about y."""
    points = fibonacci_directions(1500).double().numpy() * [0.1, 0.16, 0.07]
    turn = np.radians(turn_deg)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1.0, 0], [-np.sin(turn), 0, np.cos(turn)]])
    return surface_of(points @ rotation.T)


def _cut(camera: Camera, row_at_middle: float, slope: float = 0.0) -> View:
    """A view whose mask is all above a straight line."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    mask = (rows + 0.5 < row_at_middle + slope * (columns + 0.5 - WIDTH / 2)).float()
    return View("cut", 1 - 0.5 * mask[..., None].expand(-1, -1, 3), mask, camera)


def _lowest_row(camera: Camera, points: Array) -> float:
    pixels, _ = camera.to("cpu", torch.float64).project(torch.from_numpy(points))
    return float(pixels[:, 1].max())


def test_a_mask_without_a_straight_edge_leaves_the_surface_as_it_is() -> None:
    surface, camera = _neck(), _camera(0, 0)
    round_mask = _cut(camera, 0.0)
    columns = torch.arange(WIDTH) + 0.5 - WIDTH / 2
    rows = torch.arange(HEIGHT)[:, None] + 0.5 - HEIGHT / 2
    round_mask.mask[:] = ((columns / 80) ** 2 + (rows / 120) ** 2 < 1).float()
    whole = _cut(camera, HEIGHT + 5.0)
    for view in (round_mask, whole):
        assert find_cut_line(surface, view) is None
        assert complete_bust(surface, [view]) is surface


def test_nothing_hangs_below_the_line_in_pictures_from_above_and_below() -> None:
    surface, camera = _neck(), _camera(0, 10)
    view = _cut(camera, _lowest_row(camera, surface.points) - 8)
    line = find_cut_line(surface, view)
    assert line is not None
    bust = complete_bust(surface, [view])
    assert (line.height(bust.points) > -1e-9).all()
    assert np.ptp(bust.points[:, 0]) > 1.8 * HALF_WIDTH_M
    behind = bust.points[bust.points[:, 2] < line.origin[2]]
    for elevation_deg in (-16.0, 0.0, 16.0):
        camera = _camera(0, elevation_deg)
        edge = _lowest_row(camera, line.origin[None])
        assert _lowest_row(camera, behind) < edge + 3, elevation_deg


def test_height_is_measured_from_the_ledge() -> None:
    line = CutLine(np.array([0.01, -0.2, 0.0]), np.array([1.0, 0.0, 0.0]))
    points = np.array([[0.1, -0.2, 0.0], [0.0, -0.15, -0.1], [0.0, -0.25, 0.1]])
    np.testing.assert_allclose(line.height(points), [0, 0.05 - 0.1 * SLOPE, 0.1 * SLOPE - 0.05], atol=1e-12)


def test_no_shoulder_stands_where_a_view_shows_backdrop() -> None:
    """A person whose picture is empty to one side of the neck has no shoulder there."""
    surface, camera = _neck(), _camera(0, 10)
    view = _cut(camera, _lowest_row(camera, surface.points) - 8)
    whole = complete_bust(surface, [view])
    one_sided = View(view.name, view.image, view.mask.clone(), camera)
    empty = int(0.75 * WIDTH)  # columns to the person's left, beside the ellipsoid
    one_sided.mask[: HEIGHT // 2 + 60, empty:] = 0
    found, line = complete_bust(surface, [one_sided]), find_cut_line(surface, view)
    assert line is not None

    def beside(points: Array) -> int:
        pixels = camera.to("cpu", torch.float64).project(torch.from_numpy(points))[0].numpy()
        aside = (pixels[:, 0] > empty + 1) & (pixels[:, 0] < WIDTH) & (pixels[:, 1] < HEIGHT // 2 + 58)
        return int((aside & (line.height(points) > 0.005)).sum())  # above the ledge, which stays

    assert beside(found.points) == 0 < beside(whole.points)
