import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastavatar.captures import View
from fastavatar.core import frontal_camera
from fastavatar.models.points.bust import complete_bust
from fastavatar.models.points.cut_line import find_cut_line
from fastavatar.models.points.start import seen_colors
from fastavatar.models.points.symmetry import mirror_of
from fastavatar.surfaces.points import Surface
from tests.ellipsoids import ellipsoid


@settings(max_examples=8, deadline=None)
@given(st.floats(-20, 20), st.floats(-2, 2), st.floats(-0.02, 0.02))
def test_the_mirror_is_found_however_the_head_is_turned(yaw: float, roll: float, shift: float) -> None:
    generator = np.random.default_rng(0)
    half = generator.normal(size=(1500, 3))
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    half[:, 0] = np.abs(half[:, 0])
    normals = np.concatenate([half, half * [-1, 1, 1]])
    nose = 0.5 * np.exp(-30 * ((half - [0, -0.2, 1]) ** 2).sum(1))
    half = half * [0.07, 0.13, 0.1] * (1 + nose[:, None])
    points = np.concatenate([half, half * [-1, 1, 1]])
    y, r = np.radians([yaw, roll])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]) @ np.array(
        [[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]]
    )
    surface = Surface(points @ turn.T + [shift, 0.01, 0.02], normals @ turn.T)
    pair = mirror_of(surface)
    true = (np.arange(3000) + 1500) % 3000
    assert np.median(np.linalg.norm(surface.points[pair] - surface.points[true], axis=1)) < 0.003


def _view(mask: torch.Tensor, color: float = 0.2) -> View:
    camera = frontal_camera(1.0, 160.0, 44, 56).orbited(0.0, 10.0)
    image = torch.where(mask[..., None] > 0.5, color, 1.0).expand(-1, -1, 3).contiguous()
    return View("front", image, mask, camera)


def test_a_straight_lower_edge_is_found_in_space() -> None:
    mask = torch.zeros(56, 44)
    mask[4:50] = 1
    surface = Surface(ellipsoid().points * [2, 1, 1], ellipsoid().normals)  # wider than deep, as a bust
    view = _view(mask)
    line = find_cut_line(surface, view)
    assert line is not None
    ends = torch.from_numpy(np.stack([line.origin - 0.05 * line.along, line.origin + 0.05 * line.along]))
    pixels, _ = view.camera.to("cpu", torch.float64).project(ends)
    assert pixels[:, 1].tolist() == pytest.approx([50, 50], abs=0.3)
    assert np.allclose(line.height(ends.numpy()), 0, atol=1e-9)
    more = complete_bust(surface, [view])
    assert line.height(more.points).min() > -1e-9 and len(more.points) > len(surface.points)


def test_a_round_lower_edge_is_no_cut() -> None:
    rows, columns = torch.meshgrid(torch.arange(56), torch.arange(44), indexing="ij")
    mask = (((rows - 28) / 22) ** 2 + ((columns - 22) / 18) ** 2 < 1).float()
    surface = ellipsoid()
    assert find_cut_line(surface, _view(mask)) is None
    assert complete_bust(surface, [_view(mask)]) is surface
    mask = torch.ones(56, 44)  # reaches the lower border: the picture ends, not the person
    assert find_cut_line(surface, _view(mask)) is None


def test_colours_come_from_the_views_that_see_a_point() -> None:
    mask = torch.ones(56, 44)
    colors, weights = seen_colors(ellipsoid(), [_view(mask, 0.2), _view(mask, 0.4)])
    seen = weights > 0
    assert 0.2 < seen.mean() < 0.6 and ellipsoid().points[seen, 2].min() > -0.02
    np.testing.assert_allclose(colors[seen], 0.3, atol=1e-6)
