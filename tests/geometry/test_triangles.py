import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from fastavatar.geometry import (
    Array,
    Ints,
    boundary_loops,
    nearest_on_mesh,
    nearest_on_triangles,
    sample_triangles,
    triangle_areas,
    vertex_normals,
)

SQUARE = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
TWO = np.array([[0, 1, 2], [0, 2, 3]])


def sphere(count: int = 300) -> tuple[Array, Ints]:
    """A closed mesh of points on the unit sphere, faces counter-clockwise from outside."""
    points = np.random.default_rng(0).normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices.astype(np.int64)
    a, b, c = (points[faces[:, k]] for k in range(3))
    inward = (np.cross(b - a, c - a) * a).sum(1) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points, faces


def test_areas_and_normals_of_a_square() -> None:
    np.testing.assert_allclose(triangle_areas(SQUARE, TWO), [2, 2])
    np.testing.assert_allclose(vertex_normals(SQUARE, TWO), np.tile([0, 0, 1.0], (4, 1)))


def test_normals_of_a_sphere_point_outward() -> None:
    points, faces = sphere()
    assert (vertex_normals(points, faces) * points).sum(1).min() > 0.95


def test_samples_are_as_dense_as_asked_and_even() -> None:
    points, faces = sphere()
    owner, weights = sample_triangles(points, faces, 0.05)
    area = triangle_areas(points, faces).sum()
    assert len(owner) == int(area / 0.05**2)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert weights.min() >= 0
    places = np.einsum("nk,nkc->nc", weights, points[faces[owner]])
    octants = np.unique(places > 0, axis=0, return_counts=True)[1]
    assert len(octants) == 8 and octants.max() < 1.15 * octants.min()


def test_a_closed_mesh_has_no_boundary_and_a_hole_has_its_rim() -> None:
    points, faces = sphere(60)
    assert boundary_loops(faces) == []
    around = (faces == 7).any(1)
    (loop,) = boundary_loops(faces[~around])
    assert set(loop.tolist()) == set(faces[around].ravel().tolist()) - {7}


def test_the_boundary_runs_as_its_triangles_do() -> None:
    (loop,) = boundary_loops(TWO)
    start = loop.tolist().index(0)
    assert np.roll(loop, -start).tolist() == [0, 1, 2, 3]


def test_loops_that_touch_are_split() -> None:
    bow_tie = np.array([[0, 1, 2], [0, 3, 4]])
    assert sorted(sorted(loop.tolist()) for loop in boundary_loops(bow_tie)) == [[0, 1, 2], [0, 3, 4]]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_the_distance_is_that_of_trying_every_triangle(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vertices, faces = rng.normal(size=(30, 3)), rng.integers(0, 30, (count, 3))  # some without area
    points = 2 * rng.normal(size=(40, 3))
    distances, nearest = nearest_on_mesh(points, vertices, faces)
    for point, distance in zip(points, distances, strict=True):
        repeated = np.repeat(point[None], count, 0)
        each = np.linalg.norm(nearest_on_triangles(repeated, vertices[faces]) - repeated, axis=1)
        assert distance == pytest.approx(each.min(), abs=1e-9)
    np.testing.assert_allclose(np.linalg.norm(points - nearest, axis=1), distances, atol=1e-9)
