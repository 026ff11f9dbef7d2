import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastavatar.core import Mesh, frontal_camera
from fastavatar.geometry import nearest_on_triangles
from fastavatar.losses.geometry import (
    REGIONS,
    SurfaceErrors,
    pool,
    region_of,
    surface_errors,
)
from fastavatar.rendering import Render, render
from fastavatar.surfaces.discs import opaque_discs
from fastavatar.surfaces.points import Surface
from tests.synthetic_capture import RADII_M, fibonacci_directions, make_cameras, make_mesh


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_distance_is_that_of_trying_every_triangle(seed: int, faces: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    vertices = torch.randn(30, 3, generator=generator)
    mesh = Mesh(vertices, torch.randint(0, 30, (faces, 3), generator=generator))  # some without area
    points = torch.randn(40, 3, generator=generator) * 2
    distances, nearest = mesh.nearest(points)
    corners = vertices[mesh.faces].double().numpy()
    for point, distance in zip(points.double().numpy(), distances.tolist(), strict=True):
        repeated = np.repeat(point[None], faces, 0)
        all_distances = np.linalg.norm(nearest_on_triangles(repeated, corners) - repeated, axis=-1)
        assert distance == pytest.approx(all_distances.min(), abs=1e-5)
    torch.testing.assert_close((points - nearest).norm(dim=1), distances, atol=1e-5, rtol=0)


@given(st.integers(0, 10_000))
def test_no_point_of_the_triangle_is_nearer(seed: int) -> None:
    generator = np.random.default_rng(seed)
    corners, points = generator.normal(size=(1, 3, 3)), generator.normal(size=(1, 3)) * 2
    nearest = nearest_on_triangles(points, corners)
    inside = generator.dirichlet(np.ones(3), 500) @ corners[0]
    assert np.linalg.norm(inside - points, axis=-1).min() >= np.linalg.norm(nearest - points) - 1e-9
    # and it lies on the triangle: its barycentric coordinates are those of a point inside
    weights, *_ = np.linalg.lstsq(np.vstack([corners[0].T, np.ones(3)]), np.append(nearest[0], 1), rcond=None)
    assert weights.min() > -1e-6
    np.testing.assert_allclose(weights @ corners[0], nearest[0], atol=1e-6)


def test_points_off_a_surface_measure_how_far_they_are() -> None:
    mesh = make_mesh()
    centers = mesh.vertices[mesh.faces].mean(1)
    outward = torch.nn.functional.normalize(centers, dim=1)
    near, _ = mesh.nearest(centers)
    away, _ = mesh.nearest(centers + 0.02 * outward)
    assert float(near.max()) < 1e-6
    assert float(away.median()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("view", [0, 1, 4])
def test_a_render_of_the_true_head_lies_on_the_true_surface(view: int) -> None:
    """Discs 4 mm wide on an ellipsoid: the depth blends those in front of a point with those behind."""
    camera = make_cameras()[view].resized(176, 224)
    radii = torch.tensor(RADII_M)
    points = fibonacci_directions(6000) * radii
    normals = torch.nn.functional.normalize(points / radii**2, dim=1)
    surface = Surface(points.double().numpy(), normals.double().numpy())
    true = opaque_discs(surface, np.full((6000, 3), 0.5))
    found = surface_errors(render(true, camera), camera, make_mesh(6000)).distances_mm
    assert 300 < len(found) < 400
    assert 1.4 < float(found.median()) < 1.6  # measured 1.51 to 1.52
    assert float(found.quantile(0.9)) < 2.0  # measured 1.86 to 1.91
    toward_camera = 0.01 * camera.center / camera.center.norm()
    moved = true.transformed(1.0, torch.eye(3), toward_camera)
    shifted = surface_errors(render(moved, camera), camera, make_mesh(6000)).distances_mm
    assert 9.0 < float(shifted.median()) < 9.8  # 10 mm toward the camera; measured 9.3 to 9.5


def test_depth_is_unprojected_and_measured_in_millimetres() -> None:
    camera = frontal_camera(1.0, 160.0, 44, 56)
    corners = torch.tensor([[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [9.0, 9.0, 0.0], [-9.0, 9.0, 0.0]])
    wall = Mesh(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    alpha = torch.zeros(56, 44)
    alpha[:30] = 0.9
    shown = Render(torch.zeros(56, 44, 3), alpha, torch.full((56, 44), 1.004))
    found = surface_errors(shown, camera, wall)
    assert len(found.distances_mm) == 5 * 8  # every sixth of the 30 rows that are covered
    torch.testing.assert_close(found.distances_mm, torch.full((40,), 4.0), atol=1e-2, rtol=0)


def test_regions_divide_the_head() -> None:
    named = {
        "face": [[0.0, -0.02, 0.06], [0.0, -0.09, 0.04], [0.03, 0.05, 0.03]],
        "skull": [[0.0, 0.1, -0.05], [0.08, 0.0, -0.06], [0.0, 0.03, -0.15], [0.0, 0.09, 0.02]],
        "rest": [[0.0, -0.12, 0.0], [0.1, -0.2, -0.05], [0.0, -0.1, -0.12]],
    }
    for region, points in named.items():
        assert [REGIONS[i] for i in region_of(torch.tensor(points)).tolist()] == [region] * len(points)


def test_summary_gives_mean_and_90th_percentile_by_region() -> None:
    face = SurfaceErrors(torch.arange(0.0, 101.0), torch.zeros(101, dtype=torch.long))
    rest = SurfaceErrors(torch.tensor([2.0]), torch.tensor([2]))
    found = pool([face, rest]).summary()
    assert found["face"] == {"mean": 50.0, "p90": 90.0, "points": 101}
    assert found["skull"] == {"mean": None, "p90": None, "points": 0}
    assert found["rest"] == {"mean": 2.0, "p90": 2.0, "points": 1}
