import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from fastavatar.core import frontal_camera
from fastavatar.geometry import Array
from fastavatar.models.facemesh.detail import DetailPoints, detail_points
from fastavatar.models.facemesh.template import load_template
from fastavatar.models.facemesh.view import HeadView
from fastavatar.rendering import Fragments, rasterise_mesh
from tests.models.facemesh.heads import view_of

SIZE_PX = 240
CAMERA = frontal_camera(1.0, 300, SIZE_PX, SIZE_PX, torch.tensor([0.0, -0.05, 0.0])).to("cpu", torch.float64)
MESH = load_template().vertices, load_template().faces
BEYOND_PX = 1


@pytest.fixture(scope="module")
def sight() -> Fragments:
    return rasterise_mesh(*MESH, CAMERA)


@pytest.fixture(scope="module")
def view(sight: Fragments) -> HeadView:
    """A person a little larger than the mesh, with a pattern on the left half of the picture."""
    rgb = np.full((SIZE_PX, SIZE_PX, 3), 0.5, np.float32)
    rgb[:, : SIZE_PX // 2] += 0.2 * np.random.default_rng(0).uniform(-1, 1, (SIZE_PX, SIZE_PX // 2, 1))
    return view_of(binary_dilation(sight.hit, iterations=BEYOND_PX).astype(np.float32), CAMERA, rgb)


@pytest.fixture(scope="module")
def points(view: HeadView, sight: Fragments) -> DetailPoints:
    return detail_points(view, sight, *MESH)


@pytest.fixture(scope="module")
def pixels(points: DetailPoints) -> Array:
    return np.asarray(CAMERA.project(torch.from_numpy(points.means))[0].numpy())


def test_every_pixel_of_the_person_has_a_point_and_no_other_has(
    points: DetailPoints, pixels: Array, view: HeadView
) -> None:
    row, column = np.nonzero(view.mask > 0.5)
    assert np.max(cKDTree(pixels).query(np.stack([column, row], 1) + 0.5)[0]) < 1.6
    at = np.floor(pixels + 1e-6).astype(int).T
    assert (view.mask[at[1], at[0]] > 0.5).all()
    assert (points.edge_px > 0).all()


def test_points_are_finer_where_there_is_detail(points: DetailPoints, pixels: Array) -> None:
    left = pixels[:, 0] < SIZE_PX / 2 - 4
    right = pixels[:, 0] > SIZE_PX / 2 + 4
    assert np.median(points.step_px[left]) == 1 and (points.step_px[right] == 2).all()
    # fine points lie at pixels' centres
    fine = pixels[points.step_px == 1]
    np.testing.assert_allclose(fine, np.floor(fine) + 0.5, atol=1e-6)


def test_points_lie_on_the_mesh_or_at_its_outlines_depth(
    points: DetailPoints, pixels: Array, sight: Fragments
) -> None:
    column, row = np.floor(pixels + 1e-6).astype(int).T
    hit = sight.hit[row, column]
    fine = hit & (points.step_px == 1)
    np.testing.assert_allclose(points.means[fine], points.at(MESH[0])[fine], atol=1e-6)
    apart_m = np.linalg.norm(points.means - points.at(MESH[0]), axis=1)
    assert np.quantile(apart_m[hit], 0.99) < 0.006
    np.testing.assert_array_equal(points.beside, ~hit)
    assert 100 < (~hit).sum() and apart_m[~hit].max() < (BEYOND_PX + 2) / 300
    depth = CAMERA.project(torch.from_numpy(points.means[~hit]))[1].numpy()
    held = CAMERA.project(torch.from_numpy(points.at(MESH[0])[~hit]))[1].numpy()
    np.testing.assert_allclose(depth, held, atol=1e-9)


def test_a_lock_beside_neck_and_shoulder_stays_in_one_piece(sight: Fragments) -> None:
    """The nearest pixel of the mesh changes from one to the other half-way down."""
    mask = sight.hit.copy()
    right = SIZE_PX // 2 + 33
    mask[70:140, right : right + 2] = True
    points = detail_points(view_of(mask.astype(np.float32), CAMERA), sight, *MESH)
    lock = points.means[points.beside]
    depth = CAMERA.project(torch.from_numpy(lock[np.argsort(-lock[:, 1])]))[1].numpy()
    assert len(depth) > 20 and np.ptp(depth) > 0.03
    assert np.abs(np.diff(depth)).max() < 0.01


def test_a_part_of_the_points_keeps_all_their_fields(points: DetailPoints) -> None:
    some = points.subset(points.step_px == 2)
    assert len(some.means) == len(some.corners) == len(some.edge_px) == (points.step_px == 2).sum()
