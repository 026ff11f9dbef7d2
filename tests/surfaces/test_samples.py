import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.surfaces import CloudSamples, painted, projected, reach_of, shuffled, thinned


def about_a_sphere(count: int = 2000, radius: float = 0.1) -> CloudSamples:
    """Points about a sphere with exact distances, normals and colours that tell x."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    distances = rng.normal(0, 0.01, count)
    points = (radius + distances[:, None]) * normals
    colors = np.where(normals[:, :1] > 0, 255, 0) * np.ones(3)
    return CloudSamples(
        points.astype(np.float32),
        distances.astype(np.float32),
        normals.astype(np.float32),
        colors.astype(np.uint8),
    )


def test_projected_points_lie_on_the_surface() -> None:
    points = projected(about_a_sphere()).points
    assert np.abs(np.linalg.norm(points, axis=1) - 0.1).max() < 1e-6


def test_points_without_distances_stay() -> None:
    samples = CloudSamples(np.eye(3, dtype=np.float32))
    assert projected(samples) is samples


def test_the_first_of_shuffled_points_are_spread_like_all() -> None:
    samples = about_a_sphere(20_000)
    ordered = samples.subset(np.argsort(samples.points[:, 0]))
    few = thinned(shuffled(ordered), 0.1)
    assert len(few) == 2000
    assert abs(np.median(few.points[:, 0]) - np.median(samples.points[:, 0])) < 0.005
    assert len(thinned(samples, 0)) == 1


def test_a_thinner_cloud_is_part_of_a_denser_one() -> None:
    samples = shuffled(about_a_sphere())
    few, more = thinned(samples, 0.2), thinned(samples, 0.5)
    assert np.array_equal(few.points, more.points[: len(few)])


def test_colours_of_distances_tell_inside_from_outside() -> None:
    distances = np.array([-0.02, -0.01, 0.0, 0.02, 0.5], np.float32)
    samples = CloudSamples(np.zeros((5, 3), np.float32), distances)
    points, colors = painted(samples, "distance", 0.02)
    assert len(points) == 5
    assert colors.tolist()[0] == [33, 102, 172] and colors.tolist()[2] == [247, 247, 247]
    assert colors.tolist()[3] == colors.tolist()[4] == [178, 24, 43]
    assert colors[1, 2] > colors[1, 0] > 33


def test_inside_and_outside_show_only_their_own_points() -> None:
    samples = about_a_sphere()
    inside, outside = (painted(samples, side, 0.02)[0] for side in ("inside", "outside"))
    assert (np.linalg.norm(inside, axis=1) < 0.1).all() and (np.linalg.norm(outside, axis=1) > 0.1).all()
    assert len(inside) + len(outside) == len(samples)


def test_normals_and_colours() -> None:
    samples = CloudSamples(
        np.zeros((2, 3), np.float32),
        normals=np.array([[2, 0, 0], [0, -1, 0]], np.float32),
        colors=np.array([[1, 2, 3], [4, 5, 6]], np.uint8),
    )
    assert painted(samples, "normal", 0)[1].tolist() == [[255, 128, 128], [128, 0, 128]]
    assert painted(samples, "colour", 0)[1].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_what_is_unknown_is_grey() -> None:
    points, colors = painted(CloudSamples(np.zeros((4, 3), np.float32)), "inside", 0.0)
    assert len(points) == 4 and (colors == 150).all()


def test_a_few_far_points_do_not_set_the_reach() -> None:
    distances = np.full(1000, 0.01, np.float32)
    distances[:10] = 5
    assert reach_of(CloudSamples(np.zeros((1000, 3), np.float32), distances)) == pytest.approx(0.01)
    assert reach_of(CloudSamples(np.zeros((1, 3), np.float32))) == 0


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(InputError, match=r"distances must have shape \(4,\), found \(3,\)"):
        CloudSamples(np.zeros((4, 3), np.float32), np.zeros(3, np.float32))
