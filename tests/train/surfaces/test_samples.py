"""Signed distances: exact for shapes whose distance is known, also with holes and with parts inside."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.train.surfaces import SAMPLES, read_samples, sample_surface, signed_distances, write_samples

pytest.importorskip("igl")

HALF = np.array([0.1, 0.06, 0.08])


def mesh_of(shape: trimesh.Trimesh, colors: torch.Tensor | None = None) -> Mesh:
    vertices = torch.from_numpy(np.array(shape.vertices)).float()
    return Mesh(vertices, torch.from_numpy(np.array(shape.faces, np.int64)), colors=colors)


def box() -> Mesh:
    return mesh_of(trimesh.creation.box(extents=2 * HALF))


def box_distance(points: Array) -> Array:
    """Quilez' formula."""
    beyond = np.abs(points) - HALF
    outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
    return np.asarray(outside + np.minimum(beyond.max(1), 0))


def test_distances_of_a_box_are_exact_and_normals_those_of_its_sides() -> None:
    samples = sample_surface(box(), 0, 2000)
    for points in (samples.near, samples.far):
        wanted = box_distance(points.points.astype(np.float64))
        np.testing.assert_allclose(points.distances, wanted, atol=2e-8)
        assert (np.abs(points.normals).max(1) == 1).all()
    on = samples.near.distances == 0
    assert on.sum() == 1000
    moved = samples.near.points - samples.near.distances[:, None] * samples.near.normals
    assert np.abs(box_distance(moved.astype(np.float64))).max() < 0.03
    assert np.median(np.abs(box_distance(moved.astype(np.float64)))) < 1e-6


def test_distances_of_a_fine_sphere_are_those_of_a_sphere() -> None:
    ball = mesh_of(trimesh.creation.icosphere(subdivisions=5, radius=0.1))
    samples = sample_surface(ball, 0, 2000)
    for points in (samples.near, samples.far):
        radii = np.linalg.norm(points.points, axis=1)
        np.testing.assert_allclose(points.distances, radii - 0.1, atol=1e-4)
        cosine = (points.normals * points.points).sum(1) / radii
        assert cosine[radii > 0.02].min() > 0.998


def test_a_hole_changes_signs_only_about_it() -> None:
    whole = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
    kept = whole.triangles_center[:, 1] > -0.097
    opened = mesh_of(trimesh.Trimesh(whole.vertices, whole.faces[kept], process=False))
    assert len(opened.boundary_loops()) == 1
    points = np.random.default_rng(0).uniform(-0.15, 0.15, (4000, 3))
    away = np.linalg.norm(points - [0, -0.1, 0], axis=1) > 0.05
    radii = np.linalg.norm(points[away], axis=1)
    off = np.abs(radii - 0.1) > 1e-3
    assert ((signed_distances(opened, points[away]) < 0) == (radii < 0.1))[off].all()


def test_what_lies_inside_bounds_nothing() -> None:
    both = trimesh.util.concatenate(
        [trimesh.creation.icosphere(4, radius=0.1), trimesh.creation.icosphere(3, radius=0.03)]
    )
    points = np.array([[0.0, 0, 0.035], [0, 0.02, 0], [0.12, 0, 0]])
    np.testing.assert_allclose(signed_distances(mesh_of(both), points), [-0.065, -0.08, 0.02], atol=5e-4)


def test_a_mesh_that_encloses_nothing_is_refused() -> None:
    inward = trimesh.creation.icosphere(2, radius=0.1)
    inward.invert()
    with pytest.raises(InputError, match="encloses nothing"):
        sample_surface(mesh_of(inward), 0, 10)


def test_colours_are_those_of_the_nearest_point() -> None:
    plain = box()
    colored = Mesh(plain.vertices, plain.faces, colors=(plain.vertices > 0).float())
    near = sample_surface(colored, 0, 1000).near
    on = near.distances == 0
    wanted = (near.points[on] / HALF + 1) / 2 * 255
    assert np.abs(near.colors[on] - wanted).max() <= 1


def test_far_points_fill_the_sphere_and_near_ones_lie_about_the_surface() -> None:
    samples = sample_surface(box(), 0, 20_000)
    radii = np.linalg.norm(samples.far.points - np.array([0.0, -0.1, -0.06]), axis=1) / 0.42
    assert radii.max() < 1.01
    beyond = samples.far.points[radii > 0.9]
    assert len(beyond) == pytest.approx(10_000 * (1 - 0.9**3), rel=0.06)
    displaced = samples.near.distances[samples.near.distances != 0]
    assert float(np.sqrt((displaced**2).mean())) == pytest.approx(0.006, rel=0.1)


def test_the_same_seed_gives_the_same_bytes_and_reads_back(tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_samples(sample_surface(box(), seed, 500), tmp_path / name / SAMPLES, seed)
        files.append((tmp_path / name / SAMPLES).read_bytes())
    assert files[0] == files[1] != files[2]
    again, made = read_samples(tmp_path / "a" / SAMPLES), sample_surface(box(), 3, 500)
    assert np.array_equal(again.far.points, made.far.points)
    assert again.near.colors.dtype == np.uint8 and again.near.normals.dtype == np.float16
    assert math.isclose(len(files[0]) / 1000, 25, rel_tol=0.2)  # bytes a point


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / SAMPLES, near_points=np.zeros((3, 3)))
    with pytest.raises(InputError, match="has no array"):
        read_samples(tmp_path / SAMPLES)
