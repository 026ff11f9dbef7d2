import numpy as np
import pytest
import torch

from fastavatar.core import frontal_camera
from fastavatar.geometry import Array, vertex_normals
from fastavatar.images.edges import lower_edge
from fastavatar.models.facemesh.cut import (
    SLOPE,
    Cut,
    cut_seen_best,
    find_cut,
    hangs_below,
    picture_cut,
    without_fade,
)
from fastavatar.models.facemesh.template import TORSO, load_template
from fastavatar.models.facemesh.view import HeadView
from tests.models.facemesh.heads import view_of, with_mask

SIZE_PX, FOCAL_PX, DISTANCE_M = 500, 900.0, 1.2
LINE_Y = -0.2


def shown(slope: float = 0.0, azimuth_deg: float = 0.0, elevation_deg: float = 0.0) -> HeadView:
    """A mask of a person cut off along a line, px, across the whole picture at the height of `LINE_Y`."""
    middle = torch.tensor([0.0, -0.05, 0.0])
    camera = frontal_camera(DISTANCE_M, FOCAL_PX, SIZE_PX, SIZE_PX, middle)
    camera = camera.orbited(azimuth_deg, elevation_deg, middle).to("cpu", torch.float64)
    row = camera.project(torch.tensor([[0.0, LINE_Y, 0.0]]).double())[0][0, 1].item()
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    mask = (rows < row + slope * (columns - SIZE_PX / 2)).astype(np.float32)
    return view_of(mask, camera)


def cut_of(view: HeadView) -> Cut | None:
    template = load_template()
    return find_cut(template.vertices[template.region == TORSO], np.eye(3), view)


@pytest.mark.parametrize("elevation_deg", [-15, 0, 15])
def test_the_plane_holds_the_line_and_rises_to_the_back(elevation_deg: float) -> None:
    view = shown(elevation_deg=elevation_deg)
    cut = cut_of(view)
    assert cut is not None
    row, edge = view.camera.project(torch.from_numpy(cut.origin[None]))[0][0, 1].item(), lower_edge(view.mask)
    assert edge is not None and row == pytest.approx(edge[1], abs=0.5)
    # in front of the chest's middle, whose surface lies within two centimetres of the template's
    assert -0.01 < cut.origin[2] < 0.03
    behind = cut.origin + [0.0, SLOPE * 0.1, -0.1]
    np.testing.assert_allclose(cut.height(behind[None]), 0, atol=1e-9)
    assert cut.height(cut.origin[None] + [0, 0.01, 0])[0] == pytest.approx(0.01)


@pytest.mark.parametrize("azimuth_deg", [-40, 40])
def test_from_the_side_too_the_chest_ends_on_the_line(azimuth_deg: float) -> None:
    template, view = load_template(), shown(azimuth_deg=azimuth_deg, elevation_deg=15)
    cut, edge, torso = cut_of(view), lower_edge(view.mask), template.region == TORSO
    assert cut is not None and edge is not None
    chest = template.vertices[torso & (vertex_normals(template.vertices, template.faces)[:, 2] > 0.3)]
    rim = chest[np.abs(cut.height(chest)) < 0.008]
    rows, columns = view.camera.project(torch.from_numpy(rim))[0].numpy().T[::-1]
    near = np.abs(columns - SIZE_PX / 2) < 20
    assert near.sum() > 2 and np.abs(rows - edge[1])[near].max() < 12  # px


def test_a_slanting_edge_slants_the_plane() -> None:
    cut = cut_of(shown(slope=0.1))
    assert cut is not None
    left, right = cut.height(np.array([[0.1, LINE_Y, 0.0], [-0.1, LINE_Y, 0.0]]))
    assert left > right + 0.015  # the edge falls to the picture's right, the person's left


def test_the_torso_ends_on_the_plane_and_the_head_is_left_alone() -> None:
    template, cut = load_template(), cut_of(shown())
    assert cut is not None
    torso = template.region == TORSO
    closed = cut.closed(template.vertices, torso, template.edges)
    assert cut.height(closed[torso]).min() > -1e-9
    np.testing.assert_array_equal(closed[~torso], template.vertices[~torso])
    # the lid lies within the bust's outline, front to back and side to side
    moved = (closed != template.vertices).any(1)
    uncut = torso & ~moved
    low, high = template.vertices[uncut].min(0) - 0.02, template.vertices[uncut].max(0) + 0.02
    lid = closed[moved]
    assert len(lid) > 100 and (lid[:, [0, 2]] > low[[0, 2]]).all() and (lid[:, [0, 2]] < high[[0, 2]]).all()


def test_a_person_that_goes_on_has_no_cut() -> None:
    view = shown()
    assert cut_of(with_mask(view, np.ones_like(view.mask))) is None
    assert cut_of(with_mask(view, np.zeros_like(view.mask))) is None


def cropped(bottom_px: int, azimuth_deg: float = 0.0) -> HeadView:
    """A picture that ends at a row, with a person before all of it."""
    view = shown(azimuth_deg=azimuth_deg)
    return view_of(np.ones((bottom_px, SIZE_PX), np.float32), view.camera.cropped(0, 0, SIZE_PX, bottom_px))


@pytest.mark.parametrize("azimuth_deg", [-30, 0, 30])
def test_a_picture_that_ends_cuts_just_below_what_it_shows(azimuth_deg: float) -> None:
    template, view = load_template(), cropped(370, azimuth_deg)
    torso = template.vertices[template.region == TORSO]
    cut = picture_cut(torso, np.eye(3), view)
    assert cut is not None and cut.normal[1] > 0.9
    visible = torso[view.cells(torso).shown]
    heights = cut.height(visible[visible[:, 2] > np.quantile(visible[:, 2], 0.7)])
    assert len(heights) > 20 and heights.min() > -1e-9
    ends = view.camera.project(torch.from_numpy(cut.origin[None]))[0][0, 1].item()
    assert 370 - 1 < ends < 370 + 0.06 * FOCAL_PX / DISTANCE_M


@pytest.mark.parametrize("bottom_px", [200, 284])
def test_a_picture_without_a_torso_cuts_nothing(bottom_px: int) -> None:
    """The second ends within two centimetres above the torso."""
    torso = load_template().vertices[load_template().region == TORSO]
    assert picture_cut(torso, np.eye(3), cropped(bottom_px)) is None


def test_of_pictures_that_end_the_one_that_shows_most_decides() -> None:
    torso, views = load_template().vertices[load_template().region == TORSO], [cropped(340), cropped(380)]
    for given in (views, views[::-1]):
        cut = cut_seen_best(torso, np.eye(3), given)
        assert cut is not None and cut.view is views[1]
    views.append(shown())
    drawn = cut_seen_best(torso, np.eye(3), views)
    assert drawn is not None and drawn.view is views[-1]


def test_of_several_pictures_the_one_from_the_front_decides() -> None:
    template, views = load_template(), [shown(azimuth_deg=azimuth) for azimuth in (-30, 10, 40)]
    torso = template.vertices[template.region == TORSO]
    for given in (views, views[::-1]):
        cut = cut_seen_best(torso, np.eye(3), given)
        assert cut is not None and cut.view is views[1]
    whole = with_mask(views[1], np.ones_like(views[1].mask))
    cut = cut_seen_best(torso, np.eye(3), [whole, views[2], views[0]])
    assert cut is not None and cut.view is views[0]
    assert cut_seen_best(torso, np.eye(3), [whole]) is None


def test_what_the_picture_shows_empty_is_outside() -> None:
    cut = cut_of(shown())
    assert cut is not None
    points = np.array([[0, LINE_Y + 0.02, 0.0], [0, LINE_Y - 0.02, 0.0], [3.0, -0.1, 0.0]])
    np.testing.assert_array_equal(cut.outside(points), [False, True, False])


def test_a_neck_broader_than_the_photos_is_not_outside() -> None:
    view = shown()
    rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
    neck = (np.abs(columns - SIZE_PX / 2) < 30) | (rows > SIZE_PX * 0.6)
    cut = cut_of(with_mask(view, view.mask * neck))
    assert cut is not None
    beside_neck, below_line = [0.06, -0.08, 0.0], [0.06, LINE_Y - 0.02, 0.0]
    np.testing.assert_array_equal(cut.outside(np.array([beside_neck, below_line])), [False, True])


def test_colours_above_the_edge_are_not_taken() -> None:
    view = shown()
    kept = without_fade(view).mask
    edge = lower_edge(view.mask)
    assert edge is not None
    row, strip = int(edge[1]), round(0.012 * FOCAL_PX / DISTANCE_M)
    assert kept[row - strip + 2 :].max() == 0 and kept[: row - strip - 2].min() == 1
    whole = with_mask(view, np.ones_like(view.mask))
    assert without_fade(whole) is whole


def column(*heights_m: float) -> Array:
    """Points one above the other at the front of the chest."""
    return np.array([[0.0, y, 0.0] for y in heights_m])


HEIGHTS_M = (0.05, -0.10, -0.15, -0.18, -0.25)


def person_down_to(y_m: float) -> HeadView:
    view, mask = shown(), np.zeros((SIZE_PX, SIZE_PX), np.float32)
    row = view.camera.project(torch.tensor([[0.0, y_m, 0.0]]).double())[0][0, 1].item()
    mask[: round(row), 150:350] = 1
    return with_mask(view, mask)


def test_the_body_ends_where_the_person_in_the_photo_does() -> None:
    body = np.ones(5, bool)
    found = hangs_below(column(*HEIGHTS_M), body, person_down_to(-0.16))
    assert found.tolist() == [False, False, False, True, True]


def test_the_head_never_hangs_below() -> None:
    body = np.array([False, False, False, False, True])
    found = hangs_below(column(*HEIGHTS_M), body, person_down_to(-0.16))
    assert found.tolist() == [False, False, False, False, True]


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, SIZE_PX)])
def test_a_person_who_goes_on_beyond_the_picture_is_not_cut(rows: slice) -> None:
    mask = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    mask[rows] = 1
    assert not hangs_below(column(*HEIGHTS_M), np.ones(5, bool), with_mask(shown(), mask)).any()


def test_the_edge_rises_toward_the_back() -> None:
    front, back = column(-0.15), column(-0.15) - [0, 0, 0.12]
    many_in_front = np.concatenate([np.repeat(front, 30, 0), back])
    found = hangs_below(many_in_front, np.ones(31, bool), person_down_to(-0.16))
    assert not found[:30].any() and found[30]
