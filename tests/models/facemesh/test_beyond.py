import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from fastavatar.core import Camera, frontal_camera
from fastavatar.geometry import Array, Bools, boundary_loops, triangle_areas
from fastavatar.images.parts import CLOTH, HAIR, SKIN
from fastavatar.models.facemesh.beyond import Volume, volume_beyond
from fastavatar.models.facemesh.template import NECK, SKULL, load_template
from fastavatar.models.facemesh.view import HeadView
from fastavatar.rendering import rasterise_mesh
from tests.models.facemesh.heads import view_of

SIZE_PX, FOCAL_PX = 300, 420.0
TEMPLATE = load_template()
HEAD = TEMPLATE.vertices
NAPE_M = HEAD[TEMPLATE.region == NECK].mean(0)


def camera() -> Camera:
    front = frontal_camera(1.0, FOCAL_PX, SIZE_PX, SIZE_PX, torch.tensor([0.0, -0.05, 0.0]))
    return front.to("cpu", torch.float64)


def view_with(hair: Bools, loose: int = HAIR) -> HeadView:
    """The bald template, and in front of it or beside it what is loose (H, W)."""
    person = rasterise_mesh(HEAD, TEMPLATE.faces, camera()).hit | hair
    return view_of(person.astype(np.float32), camera(), labels=np.where(hair, loose, SKIN))


def curtains(inner_m: float = 0.05, outer_m: float = 0.105, down_to_m: float = -0.15) -> Bools:
    """(H, W) two strips of hair beside face and neck, from above the ears down onto the shoulders."""
    row, column = np.mgrid[:SIZE_PX, :SIZE_PX] + 0.5
    x, y = (column - SIZE_PX / 2) / FOCAL_PX, (SIZE_PX / 2 - row) / FOCAL_PX - 0.05
    return np.asarray((np.abs(x) > inner_m) & (np.abs(x) < outer_m) & (y < 0.04) & (y > down_to_m))


@pytest.fixture(scope="module")
def long_hair() -> Volume:
    return volume_beyond(TEMPLATE, HEAD, [view_with(curtains())], np.eye(3))


def test_curtains_of_hair_are_one_closed_surface_facing_outward(long_hair: Volume) -> None:
    assert len(long_hair.vertices) > 1000
    assert boundary_loops(long_hair.faces) == []
    a, b, c = (long_hair.vertices[long_hair.faces[:, k]] for k in range(3))
    volume_l = 1000 * (np.cross(a, b) * c).sum() / 6
    assert 0.3 < volume_l < 6
    assert triangle_areas(long_hair.vertices, long_hair.faces).max() < 1e-4


def test_it_shows_nothing_where_the_view_shows_no_person(long_hair: Volume) -> None:
    view = view_with(curtains())
    shown = rasterise_mesh(long_hair.vertices, long_hair.faces, camera()).hit
    person = view.mask > 0.5
    assert (shown & curtains()).sum() > 0.9 * curtains().sum()
    assert not (shown & ~binary_dilation(person, iterations=3)).any()  # a voxel is two pixels
    assert (shown & ~person).sum() < 0.02 * person.sum()


def _inside(volume: Volume, place: Array) -> bool:
    """Whether a ray to the back leaves the surface once more than it enters it, by the solid angle."""
    a, b, c = (volume.vertices[volume.faces[:, k]] - place for k in range(3))
    lengths = [np.linalg.norm(side, axis=1) for side in (a, b, c)]
    # Van Oosterom and Strackee 1983: tan(Ω/2) = a·(b×c) / (abc + (a·b)c + (a·c)b + (b·c)a)
    below = np.prod(lengths, 0) + (a * b).sum(1) * lengths[2]
    below += (a * c).sum(1) * lengths[1] + (b * c).sum(1) * lengths[0]
    return bool(abs(2 * np.arctan2((a * np.cross(b, c)).sum(1), below).sum()) > 2 * np.pi)


def test_long_hair_fills_the_space_behind_the_neck(long_hair: Volume) -> None:
    back = HEAD[TEMPLATE.region == SKULL, 2].min()
    behind = np.array([0.0, NAPE_M[1], (NAPE_M[2] + back) / 2 - 0.02])
    assert _inside(long_hair, behind)
    assert long_hair.vertices[:, 2].min() > back - 0.03
    assert not _inside(long_hair, np.array([0.0, NAPE_M[1], 0.1])), "and not before it"


def test_from_behind_it_is_as_long_as_beside_the_neck_and_lies_on_the_back(long_hair: Volume) -> None:
    behind = camera().orbited(180)
    seen = rasterise_mesh(
        np.concatenate([HEAD, long_hair.vertices]),
        np.concatenate([TEMPLATE.faces, long_hair.faces + len(HEAD)]),
        behind,
    )
    for y_m in (-0.05, -0.1, -0.14):
        row, column = (round(at) for at in (SIZE_PX / 2 - (y_m + 0.05) * FOCAL_PX, SIZE_PX / 2))
        across = seen.face[row, column - 25 : column + 26]
        assert (across >= len(TEMPLATE.faces)).all()
        assert long_hair.hair[long_hair.faces[across - len(TEMPLATE.faces)]].all()
    below = seen.face[round(SIZE_PX / 2 + 0.13 * FOCAL_PX), SIZE_PX // 2 - 25 : SIZE_PX // 2 + 26]
    assert (below < len(TEMPLATE.faces)).all()
    in_front = long_hair.vertices[:, 2] > NAPE_M[2] + 0.05
    assert in_front.any() and not long_hair.hair[in_front].any()


def test_beside_the_ears_alone_there_is_none_behind_the_neck() -> None:
    short = volume_beyond(TEMPLATE, HEAD, [view_with(curtains(down_to_m=0.0))], np.eye(3))
    assert not len(short.vertices) or short.vertices[:, 1].min() > NAPE_M[1]


def test_a_collar_beside_the_neck_is_no_hair_behind_it() -> None:
    collar = volume_beyond(TEMPLATE, HEAD, [view_with(curtains(), CLOTH)], np.eye(3))
    behind = np.array([0.0, NAPE_M[1], HEAD[TEMPLATE.region == SKULL, 2].min() + 0.02])
    assert not _inside(collar, behind)


def test_where_nothing_is_loose_there_is_no_volume() -> None:
    none = volume_beyond(TEMPLATE, HEAD, [view_with(np.zeros((SIZE_PX, SIZE_PX), bool))], np.eye(3))
    assert none.vertices.shape == (0, 3) and none.faces.shape == (0, 3)


def test_the_same_view_gives_the_same_volume(long_hair: Volume) -> None:
    again = volume_beyond(TEMPLATE, HEAD, [view_with(curtains())], np.eye(3))
    np.testing.assert_array_equal(again.vertices, long_hair.vertices)
    np.testing.assert_array_equal(again.faces, long_hair.faces)
