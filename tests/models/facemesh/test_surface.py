import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, triangle_areas, vertex_normals
from fastavatar.models.facemesh.surface import (
    SPACING_M,
    SurfacePoints,
    stretch,
    surface_points,
)
from fastavatar.models.facemesh.template import SOCKET, load_template
from tests.rendering.shapes import ball

FLIP = np.array([-1.0, 1, 1])


@pytest.fixture(scope="module")
def points() -> SurfacePoints:
    return surface_points()


@pytest.fixture(scope="module")
def positions(points: SurfacePoints) -> Array:
    return points.at(load_template().vertices)


def test_there_are_tens_of_thousands_each_inside_its_triangle(points: SurfacePoints) -> None:
    assert 20_000 < len(points.corners) < 100_000
    assert (points.weights >= 0).all()
    np.testing.assert_allclose(points.weights.sum(1), 1)
    triangles = {tuple(sorted(t)) for t in load_template().faces}
    first_half = points.corners[: len(points.corners) // 2]
    assert {tuple(sorted(t)) for t in first_half} <= triangles


def test_the_halves_mirror_one_another(points: SurfacePoints, positions: Array) -> None:
    own = np.arange(len(positions))
    np.testing.assert_array_equal(points.mirror[points.mirror], own)
    pairs = points.mirror != own
    np.testing.assert_allclose(positions[points.mirror][pairs], (positions * FLIP)[pairs], atol=1e-12)
    np.testing.assert_array_equal(points.region[points.mirror], points.region)
    # Only the triangles that close the torso cross the midplane
    assert 500 < (~pairs).sum() < 5000 and positions[~pairs, 1].max() < -0.3


def test_points_are_as_dense_as_requested(points: SurfacePoints, positions: Array) -> None:
    nearest = np.asarray(cKDTree(positions).query(positions, 2)[0])[:, 1]
    assert (points.region == SOCKET).sum() < 0.02 * len(points.region), "only at the lids' rims"
    for region, spacing in SPACING_M.items():
        inside = points.region == region
        if inside.sum() < 1000:
            continue
        assert (points.spacing[inside] == spacing).all()
        # points of a regular pattern with one point per spacing² are about a spacing apart
        assert 0.4 * spacing < np.median(nearest[inside]) < 1.2 * spacing


def test_no_part_of_the_surface_is_without_points(points: SurfacePoints, positions: Array) -> None:
    template = load_template()
    drawn = np.setdiff1d(template.faces, np.flatnonzero(template.region == SOCKET))
    distance, nearest = cKDTree(positions).query(template.vertices[drawn])
    assert (distance / points.spacing[nearest] < 3).all()


def test_neighbours_are_near_and_mutual_and_reach_everywhere(points: SurfacePoints, positions: Array) -> None:
    graph = points.neighbours
    assert abs(graph - graph.T).max() == 0
    assert graph.diagonal().max() == 0 and graph.data.min() > 0
    rows, columns = graph.nonzero()
    length = np.linalg.norm(positions[rows] - positions[columns], axis=1)
    assert (length < 6 * np.maximum(points.spacing[rows], points.spacing[columns])).all()
    assert connected_components(graph, directed=False)[0] == 1


@given(st.integers(0, 9), st.floats(0.1, 10))
def test_points_follow_a_linear_map_of_the_vertices(seed: int, scale: float) -> None:
    points, vertices = surface_points(), load_template().vertices
    linear = scale * np.random.default_rng(seed).normal(size=(3, 3))
    np.testing.assert_allclose(points.at(vertices @ linear), points.at(vertices) @ linear, atol=1e-9)


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    vertices, faces = ball()
    normals = vertex_normals(vertices, faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1)
    assert (np.einsum("vi,vi->v", normals, vertices) > 0.98).all()
    np.testing.assert_allclose(vertex_normals(vertices, faces[:, ::-1]), -normals)


def test_areas_of_a_ball_are_those_of_archimedes() -> None:
    vertices, faces = ball(0.1)
    assert triangle_areas(vertices, faces).sum() == pytest.approx(4 * np.pi * 0.1**2, rel=0.01)
    corner = np.array([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    assert triangle_areas(corner, np.array([[0, 1, 2]])) == pytest.approx(6)


@pytest.mark.parametrize(("scale", "expected"), [(1, 1), (1.3, 1.3), (0.8, 0.8), (100, 3.0), (0.001, 0.3)])
def test_stretch_is_the_change_of_length(points: SurfacePoints, scale: float, expected: float) -> None:
    vertices = load_template().vertices
    found = stretch(points, vertices, scale * vertices)
    np.testing.assert_allclose(np.median(found), expected)
    assert np.quantile(np.abs(found - expected), 0.99) < 1e-6
