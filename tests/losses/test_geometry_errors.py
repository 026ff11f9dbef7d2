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
from tests.synthetic_capture import make_cameras, make_head, make_mesh


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


def test_a_render_of_the_true_head_lies_on_the_true_surface() -> None:
    mesh, camera = make_mesh(), make_cameras()[1]
    true = surface_errors(render(make_head(), camera), camera, mesh)
    assert len(true.distances_mm) > 10
    assert float(true.distances_mm.median()) < 9  # the σ of these few, wide Gaussians


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
