import numpy as np
import pytest
import torch

from fastavatar.core import Camera, frontal_camera
from fastavatar.geometry import Array, Ints
from fastavatar.rendering.mesh import Fragments, rasterise_mesh
from tests.rendering.shapes import ball


def camera_at(azimuth_deg: float = 0.0, elevation_deg: float = 0.0, width: int = 24) -> Camera:
    front = frontal_camera(1.0, 1.6 * width, width, width * 3 // 4)
    return front.orbited(azimuth_deg, elevation_deg).to("cpu", torch.float64)


def rays(camera: Camera) -> Array:
    """Ways (H, W, 3) through the middle of each pixel, a metre along the optical axis."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = torch.from_numpy(np.stack([columns.ravel(), rows.ravel()], 1))
    ends = camera.unproject(pixels, torch.ones(len(pixels), dtype=torch.float64))
    return (ends - camera.center).numpy().reshape(camera.height, camera.width, 3)


def reference(vertices: Array, faces: Ints, camera: Camera) -> Fragments:
    """Every ray against every triangle, in space: o + z·d = A + b·(B − A) + c·(C − A)."""
    shape, ways = (camera.height, camera.width), rays(camera)
    found = Fragments(np.full(shape, -1), np.zeros((*shape, 3)), np.full(shape, np.inf))
    for index, (first, second, third) in enumerate(vertices[faces]):
        sides = np.broadcast_to(np.stack([second - first, third - first], 1), (*shape, 3, 2))
        system = np.concatenate([sides, -ways[..., None]], -1)
        right = (camera.center.numpy() - first)[:, None]
        b, c, z = np.moveaxis(np.linalg.solve(system, right)[..., 0], -1, 0)
        nearer = (np.minimum(np.minimum(b, c), 1 - b - c) >= 0) & (z > 0) & (z < found.depth)
        found.face[nearer], found.depth[nearer] = index, z[nearer]
        found.weights[nearer] = np.stack([1 - b - c, b, c], -1)[nearer]
    return found


@pytest.mark.parametrize("seed", range(5))
def test_triangles_across_each_other_are_as_rays_meet_them(seed: int) -> None:
    """Large triangles at all slopes and both ways round, so that depth changes much across each."""
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-0.4, 0.4, (30, 3))
    faces = rng.permutation(30).reshape(10, 3).astype(np.int64)
    camera = camera_at(*rng.uniform(-60, 60, 2))
    found, expected = rasterise_mesh(vertices, faces, camera), reference(vertices, faces, camera)
    assert len(np.unique(expected.face)) > 6 and expected.hit.any() and not expected.hit.all()
    np.testing.assert_array_equal(found.face, expected.face)
    np.testing.assert_allclose(found.depth, expected.depth, rtol=2e-6)
    np.testing.assert_allclose(found.weights, expected.weights, atol=2e-5)


def test_a_ball_has_its_depth_and_no_gaps_between_triangles() -> None:
    vertices, faces = ball(0.2, 500)
    camera = camera_at(30, 20, 80)
    found, ways = rasterise_mesh(vertices, faces, camera), rays(camera)
    # ‖o + z·d‖² = r²
    center = camera.center.numpy()
    length, along = (ways**2).sum(2), ways @ center
    under_root = along**2 - length * (center @ center - 0.2**2)
    inner = under_root > 0.003
    expected = (-along - np.sqrt(np.maximum(under_root, 0))) / length
    assert inner.sum() > 500 and found.hit[inner].all() and not found.hit[under_root < 0].any()
    np.testing.assert_allclose(found.depth[inner], expected[inner], atol=0.006)
    places = np.einsum("hwk,hwkc->hwc", found.weights, vertices[faces[found.face]])[inner]
    np.testing.assert_allclose(places, (center + found.depth[..., None] * ways)[inner], atol=1e-6)


def test_order_of_triangles_and_corners_changes_nothing() -> None:
    vertices, faces = ball(0.2, 300)
    order = np.random.default_rng(0).permutation(len(faces))
    one = rasterise_mesh(vertices, faces, camera_at())
    other = rasterise_mesh(vertices, faces[order][:, ::-1], camera_at())
    np.testing.assert_array_equal(np.where(other.hit, order[other.face], -1), one.face)
    np.testing.assert_allclose(other.depth, one.depth)


def test_what_is_behind_the_camera_or_outside_the_picture_shows_nothing() -> None:
    vertices, faces = ball(0.2, 300)
    for away in ([0.0, 0, 3], [2.0, 0, 0], [0, -2.0, 0]):
        seen = rasterise_mesh(vertices + away, faces, camera_at())
        assert not seen.hit.any() and np.isinf(seen.depth).all()


def test_a_triangle_seen_edge_on_shows_nothing() -> None:
    vertices = np.array([[0.0, -0.1, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.3]])
    assert not rasterise_mesh(vertices, np.array([[0, 1, 2]]), camera_at()).hit.any()
