from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from fastavatar.captures import Capture, View
from fastavatar.core import Mesh, frontal_camera
from fastavatar.evaluation import PARTS, FlameParts, flame_parts, visible_points
from tests.flame_head import EAR, NECK, NOSE_M, SHOULDERS, SKIN, TIPS_Y, flame_head

Vector = tuple[float, float, float]
POSES: list[tuple[Vector, Vector]] = [
    ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ((-0.1, -0.07, 0.02), (0.13, -0.08, 0.0)),
    ((0.2, 0.5, -0.1), (-0.13, 0.3, 0.08)),
]


def _capture(rotation: Vector = POSES[0][0], neck_pose: Vector = POSES[0][1]) -> Capture:
    points, flame, _ = flame_head(rotation, neck_pose)
    camera = frontal_camera(1.2, 500.0, 120, 160)
    view = View("front", torch.ones(160, 120, 3), torch.ones(160, 120), camera)
    return Capture(Path("made-up"), (view,), points, None, flame)


def _found(capture: Capture) -> FlameParts:
    parts = flame_parts(capture)
    assert parts is not None
    return parts


@pytest.mark.parametrize(("rotation", "neck_pose"), POSES)
def test_parts_are_found_however_the_head_is_posed(rotation: Vector, neck_pose: Vector) -> None:
    parts = _found(_capture(rotation, neck_pose)).part.numpy()
    points, _, kinds = flame_head()
    x, y, z = (points.numpy() - NOSE_M).T
    assert (parts[kinds == EAR] == PARTS.index("ear")).mean() > 0.99
    assert not (parts[kinds != EAR] == PARTS.index("ear")).any()
    skin = kinds == SKIN
    assert (parts[skin & (z > -0.06) & (y > -0.05) & (y < 0.07)] == PARTS.index("face")).all()
    assert (parts[skin & ((z < -0.13) | (y > 0.08)) & (y > 0)] == -1).all()
    assert (parts[skin & (y < -0.07) & (z > -0.06)] == PARTS.index("jaw")).mean() > 0.9
    # The head turns on its neck, so only what no turn of these brings above the throat is neck in each pose
    assert (parts[(kinds == NECK) & (y < -0.12) & (y > TIPS_Y + 0.021)] == PARTS.index("neck")).all()
    assert (parts[(kinds == SHOULDERS) | ((kinds == NECK) & (y < TIPS_Y + 0.019))] == -1).all()


@pytest.mark.parametrize(("rotation", "neck_pose"), POSES)
def test_the_plane_stands_across_the_lower_neck(rotation: Vector, neck_pose: Vector) -> None:
    parts = _found(_capture(rotation, neck_pose))
    turned = Rotation.from_rotvec(rotation)
    np.testing.assert_allclose(parts.up.numpy(), turned.apply([0, 1, 0]), atol=1e-6)
    upright = turned.inv().apply(parts.neck.numpy())
    assert upright[1] == pytest.approx(NOSE_M[1] + TIPS_Y + 0.02, abs=1e-4)
    assert np.abs(upright[[0, 2]] - [NOSE_M[0], NOSE_M[2] - 0.12]).max() < 0.02


@pytest.mark.parametrize("azimuth_deg", [0, 48, 180])
@pytest.mark.parametrize("elevation_deg", [-15, 0, 35])
def test_the_head_region_ends_at_the_plane(azimuth_deg: float, elevation_deg: float) -> None:
    parts = _found(_capture(*POSES[1]))
    camera = frontal_camera(1.2, 500.0, 120, 160).orbited(azimuth_deg, elevation_deg)
    region = parts.head_region(camera)
    pixels, _ = camera.project(parts.neck + torch.tensor([[0.006], [-0.006]]) * parts.up)
    (column, above), (_, below) = pixels.long().tolist()
    assert region[above, column] == 1 and region[below, column] == 0
    assert region.shape == (160, 120) and region[0].all() and not region[-1].any()


def test_distances_are_those_of_the_points_that_a_view_sees() -> None:
    capture = _capture()
    wall = Mesh(  # 20 cm before the origin, and large
        torch.tensor([[-50.0, -50.0, 0.2], [50.0, -50.0, 0.2], [0.0, 80.0, 0.2]]), torch.tensor([[0, 1, 2]])
    )
    parts = _found(capture)
    found = parts.distances(capture, wall)
    assert capture.points is not None
    away_mm = 1000 * (0.2 - capture.points[:, 2])
    seen = visible_points(capture.points, capture.views[0])
    for index, part in enumerate(PARTS):
        expected = away_mm[seen & (parts.part == index)]
        assert found[part]["points"] == len(expected) > 100
        assert len(expected) < int((parts.part == index).sum())
        assert found[part]["mean"] == pytest.approx(float(expected.mean()), rel=1e-5)
        assert found[part]["p90"] == pytest.approx(float(expected.quantile(0.9)), rel=1e-3)


def test_only_flame_has_parts() -> None:
    capture = _capture()
    assert capture.points is not None
    for other in (
        replace(capture, flame={}),
        replace(capture, points=capture.points[:-1]),
        replace(capture, points=None),
        replace(capture, flame={**capture.flame, "rotation": torch.zeros(2, 3)}),
    ):
        assert flame_parts(other) is None
