import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from fastavatar.core import frontal_camera
from fastavatar.geometry import Array, Bools, vertex_normals
from fastavatar.models.facemesh.dressing import dress
from fastavatar.models.facemesh.landmarks import LOWER_LIP, MOUTH_CORNERS, UPPER_LIP
from fastavatar.models.facemesh.mouth import (
    ARCH_DEPTH_M,
    ARCH_WIDTH_M,
    CAVITY_M,
    CLOSED_M,
    TEETH_M,
    Mouth,
    arch_depth,
    inner_lips,
    open_mouth,
    seen_between_lips,
)
from fastavatar.models.facemesh.surface import surface_points
from fastavatar.models.facemesh.template import load_template
from fastavatar.rendering import render
from tests.models.facemesh.heads import NOTHING, portraits_head
from tests.models.facemesh.test_eyeballs import FLIP, someones_head

POINTS = surface_points(fine_eyes=True)
BETWEEN: Bools = np.asarray(np.isin(POINTS.corners, [*MOUTH_CORNERS, *UPPER_LIP, *LOWER_LIP]).all(1))
OUTER_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)


def with_gap(vertices: Array, gap: float) -> Array:
    """The head with the lower inner lip so far below the upper that the widest gap is `gap` metres."""
    opened = vertices.copy()
    upper, lower = vertices[list(UPPER_LIP)], vertices[list(LOWER_LIP)]
    widest = np.linalg.norm(upper - lower, axis=1).max()
    opened[list(LOWER_LIP)] = upper + gap / widest * (lower - upper)
    return opened


def opened(vertices: Array) -> Mouth:
    normals = POINTS.at(vertex_normals(vertices, load_template().faces))
    return open_mouth(POINTS, vertices, POINTS.at(vertices), normals)


def to_rim(vertices: Array, places: Array) -> Array:
    """Distances (N,) of places (N, 3) from the lips' rim."""
    rim = inner_lips(vertices)
    share = np.linspace(0, 1, 50)[:, None, None]
    dense = ((1 - share) * rim + share * np.roll(rim, -1, 0)).reshape(-1, 3)
    return np.asarray(np.linalg.norm(places[:, None] - dense, axis=2).min(1))


@pytest.mark.parametrize("seed", range(4))
def test_only_points_between_the_lips_move_and_straight_back(seed: int) -> None:
    vertices = someones_head(seed)
    flat = POINTS.at(vertices)
    given = flat.copy(), np.ones_like(flat)
    mouth = open_mouth(POINTS, vertices, *given)
    np.testing.assert_array_equal(given, (flat, np.ones_like(flat)))  # the caller's arrays are left alone
    for values, before in (
        (mouth.means, flat),
        (mouth.normals, given[1]),
        (mouth.stretch, 1),
        (mouth.depth, 0),
    ):
        np.testing.assert_array_equal(values[~BETWEEN], np.broadcast_to(before, values.shape)[~BETWEEN])
    np.testing.assert_allclose(flat - mouth.means, mouth.depth[:, None] * [0, 0, 1], atol=1e-12)
    assert (mouth.depth[BETWEEN] > 0).all() and mouth.depth.max() <= TEETH_M[1]


@pytest.mark.parametrize("gap", [0.005, 0.012, 0.03])
def test_the_mouth_begins_at_the_lips_and_sinks_no_steeper_than_a_photo_can_follow(gap: float) -> None:
    vertices = with_gap(someones_head(1), gap)
    mouth = opened(vertices)
    rim = to_rim(vertices, POINTS.at(vertices)[BETWEEN])
    assert (mouth.depth[BETWEEN] < 1.01 * rim + 1e-6).all()
    assert mouth.normals[BETWEEN, 2].min() > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_far_from_the_lips_points_lie_on_the_arch(seed: int) -> None:
    """In a wide smile, in the middle between the lips, the arch is reached but for the way down to it."""
    vertices = with_gap(someones_head(seed), 0.0145)
    upper, lower = vertices[13], vertices[14]
    mouth, flat = opened(vertices), POINTS.at(vertices)
    down = (flat - upper) @ (lower - upper) / ((lower - upper) ** 2).sum()
    mid = upper + down[:, None] * (lower - upper)
    across = flat[:, 0] - mid[:, 0]
    arch = mid[:, 2] - TEETH_M[0] - arch_depth(across)
    row = BETWEEN & (to_rim(vertices, flat) > 0.005) & (np.abs(down - 0.5) < 0.1) & (np.abs(across) < 0.012)
    short = mouth.means[row, 2] - arch[row]
    assert row.sum() > 20 and np.ptp(across[row]) > 0.018
    assert np.abs(short).max() < 0.0012 and np.ptp(arch[row]) > 0.002


def test_the_arch_is_as_wide_and_deep_as_measured() -> None:
    across = np.linspace(-ARCH_WIDTH_M / 2, ARCH_WIDTH_M / 2, 101)
    depth = arch_depth(across)
    assert depth[50] == 0 and depth[[0, -1]] == pytest.approx([ARCH_DEPTH_M, ARCH_DEPTH_M])
    np.testing.assert_allclose(depth, depth[::-1], atol=1e-12)
    assert (np.diff(depth[50:]) > 0).all()
    assert 0.008 < arch_depth(np.array([0.018]))[0] < 0.011  # at the canines, 36 mm apart


def test_a_mouth_wide_open_has_a_cavity_behind_the_teeth() -> None:
    vertices = with_gap(someones_head(0), 0.045)
    depth, flat = opened(vertices).depth, POINTS.at(vertices)
    middle = BETWEEN & (np.linalg.norm(flat - vertices[[13, 14]].mean(0), axis=1) < 0.004)
    assert middle.any()
    np.testing.assert_allclose(depth[middle], CAVITY_M, atol=1e-4)
    assert depth.max() <= CAVITY_M + 1e-12


@pytest.mark.parametrize("gap", [0.0, 0.5 * CLOSED_M, 0.999 * CLOSED_M])
def test_behind_closed_lips_nothing_moves(gap: float) -> None:
    vertices = with_gap(someones_head(0), gap)
    normals = np.ones((len(POINTS.corners), 3))
    mouth = open_mouth(POINTS, vertices, POINTS.at(vertices), normals)
    np.testing.assert_array_equal(mouth.means, POINTS.at(vertices))
    np.testing.assert_array_equal(mouth.normals, normals)
    assert (mouth.stretch == 1).all() and (mouth.depth == 0).all()


def test_opening_lips_deepen_the_mouth_little_by_little() -> None:
    gaps = np.arange(0.0025, 0.015, 0.0002)
    deepest = np.array([opened(with_gap(someones_head(0), gap)).depth.max() for gap in gaps])
    steps = np.diff(deepest)
    assert steps.min() > -1e-6 and steps.max() < 0.0004
    assert deepest[0] == 0 and deepest[-1] > 0.0025


@pytest.mark.parametrize("seed", range(3))
def test_a_mirrored_head_has_a_mirrored_mouth(seed: int) -> None:
    vertices = someones_head(seed)
    straight, mirrored = opened(vertices), opened(vertices[load_template().mirror] * FLIP)
    np.testing.assert_allclose(mirrored.means, straight.means[POINTS.mirror] * FLIP, atol=1e-7)
    normals = straight.normals[POINTS.mirror] * FLIP
    np.testing.assert_allclose(mirrored.normals[BETWEEN], normals[BETWEEN], atol=1e-4)
    np.testing.assert_allclose(mirrored.stretch, straight.stretch[POINTS.mirror], atol=1e-4)


@pytest.mark.parametrize("gap", [0.008, 0.03])
def test_normals_stand_on_the_surface_that_the_points_make(gap: float) -> None:
    """Points of one triangle lie near the planes of their neighbours, much nearer than by flat normals."""
    vertices = with_gap(someones_head(2), gap)
    mouth = opened(vertices)
    np.testing.assert_allclose(np.linalg.norm(mouth.normals[BETWEEN], axis=1), 1)
    a, b = POINTS.neighbours.nonzero()
    means, normals = mouth.means, mouth.normals
    corners = np.sort(POINTS.corners, 1)
    together = BETWEEN[a] & (corners[a] == corners[b]).all(1)
    a, b = a[together], b[together]
    way = means[b] - means[a]

    def off(normals: Array) -> float:
        return float(np.abs((way * (normals[a] + normals[b])).sum(1) / np.linalg.norm(way, axis=1)).mean())

    flat = POINTS.at(vertex_normals(vertices, load_template().faces))
    assert together.sum() > 500 and off(normals) < 0.4 * off(flat)


@pytest.mark.parametrize("azimuth", [-15.0, 0, 15])
@pytest.mark.parametrize("elevation", [-15.0, 10])
def test_a_camera_sees_what_lies_behind_the_opening_and_not_behind_the_lips(
    azimuth: float, elevation: float
) -> None:
    vertices = with_gap(someones_head(0), 0.012)
    lips, flat = inner_lips(vertices), POINTS.at(vertices)[BETWEEN]
    middle = torch.from_numpy(lips.mean(0))
    camera = frontal_camera(0.7, 1500, 512, 512, middle).to("cpu", torch.float64)
    camera = camera.orbited(azimuth, elevation, middle)
    away = flat - camera.center.numpy()
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    inner = to_rim(vertices, flat) > 0.001
    assert seen_between_lips(flat[inner] + 0.01 * away[inner], lips, camera).all()
    assert not seen_between_lips(vertices[list(OUTER_LIPS)], lips, camera).any()


def test_seen_from_aside_the_near_lip_hides_teeth() -> None:
    vertices = with_gap(someones_head(0), 0.02)
    lips, mouth = inner_lips(vertices), opened(vertices)
    middle = torch.from_numpy(lips.mean(0))
    below = frontal_camera(0.7, 1500, 512, 512, middle).to("cpu", torch.float64).orbited(0, -60, middle)
    seen, down = seen_between_lips(mouth.means[BETWEEN], lips, below), POINTS.at(vertices)[BETWEEN, 1]
    assert 0.5 < seen.mean() < 0.97
    assert down[~seen].mean() < down.mean() - 0.002  # the lower lip hides them


def test_a_dressed_smile_keeps_the_photos_colours_behind_the_lips() -> None:
    vertices, view = portraits_head()
    head = dress(vertices, NOTHING, None, [view])
    sunk_m = (head.binding.at(head.mesh.vertices) - head.gaussians.means)[:, 2].numpy()
    between = np.isin(head.binding.corners.numpy(), [*MOUTH_CORNERS, *UPPER_LIP, *LOWER_LIP]).all(1)
    assert between.sum() > 20 and sunk_m[between].min() > -1e-6
    assert sunk_m[between].max() == pytest.approx(opened(vertices).depth.max(), abs=5e-4)
    means, recessed = head.gaussians.means.double().numpy(), opened(vertices).means[BETWEEN]
    assert np.max(cKDTree(means).query(recessed)[0]) < 0.0018, "the teeth have no gaps"
    drawn = render(head.gaussians, view.camera).image.numpy()
    lips = view.camera.project(torch.from_numpy(inner_lips(vertices)))[0].numpy()
    (left, top), (right, bottom) = lips.min(0).astype(int) + [8, 2], lips.max(0).astype(int) - [8, 2]
    inside = np.s_[top:bottom, left:right]
    assert np.abs(drawn[inside].mean((0, 1)) - view.rgb[inside].mean((0, 1))).max() < 0.06
