import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, LandmarkView, arkit_weights, fit_head, load_head

HEAD = load_head()
CENTER, FOCAL = (320.0, 300.0), 900.0
SHAPE = np.random.default_rng(3).normal(0, 0.8, len(HEAD.modes)) * (np.arange(len(HEAD.modes)) < 20)


def pose(yaw_deg: float, pitch_deg: float, distance_m: float) -> Array:
    """A camera that sees the head from a yaw, toward the person's left, and a pitch."""
    turn = Rotation.from_euler("xy", [pitch_deg, -yaw_deg], degrees=True).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag([1, -1, -1]) @ turn
    matrix[:3, 3] = [0.02, 0.01, distance_m]
    return matrix


def photographed(
    yaw_deg: float, expression: dict[str, float], distance_m: float = 0.8, focal_px: float | None = FOCAL
) -> LandmarkView:
    """What Face Mesh would see of the made-up head, its bias included."""
    camera = pose(yaw_deg, 5, distance_m)
    points = HEAD.places.at(HEAD.vertices(SHAPE, arkit_weights(expression)))
    in_camera = points @ camera[:3, :3].T + camera[:3, 3]
    bias, _ = HEAD.places.straying(yaw_deg)
    flat = in_camera[:, :2] + bias
    pixels = FOCAL * flat / in_camera[:, 2:] + CENTER
    relative_depth = (in_camera[:, 2:] - distance_m) * FOCAL / distance_m
    return LandmarkView(np.concatenate([pixels, relative_depth], 1), CENTER, focal_px)


def error_mm(identity: Array) -> float:
    """Mean distance of the face's vertices from the made-up head's, without what a rigid motion explains."""
    face = HEAD.region("face", "lips", "eyelids")
    return float(1000 * np.linalg.norm((HEAD.vertices(identity) - HEAD.vertices(SHAPE))[face], axis=1).mean())


def test_one_photo_gives_shape_and_pose() -> None:
    fit = fit_head(HEAD, [photographed(20, {})])
    assert error_mm(fit.identity) < 0.6 * error_mm(np.zeros(len(SHAPE)))
    assert fit.residual_m[0] < 0.0006
    turned = Rotation.from_matrix(fit.world_to_camera[0, :3, :3] @ pose(20, 5, 0.8)[:3, :3].T).magnitude()
    assert np.degrees(turned) < 3
    assert abs(np.linalg.norm(fit.world_to_camera[0, :3, 3]) - 0.8) < 0.03
    assert fit.focal_px[0] == FOCAL and fit.expressions.shape == (1, 52)


def test_photos_share_a_shape_and_have_their_own_expressions() -> None:
    views = [
        photographed(0, {}),
        photographed(35, {"jawOpen": 0.5}),
        photographed(-35, {"mouthSmileLeft": 0.8}),
    ]
    fit = fit_head(HEAD, views)
    one = fit_head(HEAD, views[:1])
    assert error_mm(fit.identity) < 0.8 * error_mm(one.identity)
    open_jaw = fit.expressions[:, ARKIT_NAMES.index("jawOpen")]
    smile = fit.expressions[:, ARKIT_NAMES.index("mouthSmileLeft")]
    assert open_jaw[1] > 0.3 > max(open_jaw[0], open_jaw[2])
    assert smile[2] > 0.3 > max(smile[0], smile[1])
    assert fit.expressions.min() >= 0 and fit.expressions.max() <= 1


@pytest.mark.parametrize("distance_m", [0.5, 1.0, 2.0])
def test_an_unknown_focal_length_follows_from_perspective(distance_m: float) -> None:
    fit = fit_head(HEAD, [photographed(15, {}, distance_m, None)])
    found = fit.world_to_camera[0, 2, 3]
    assert 0.45 <= found <= 2.5 and 0.6 < found / distance_m < 1.6
    assert abs(fit.focal_px[0] / found / (FOCAL / distance_m) - 1) < 0.06  # the size in the picture holds


def test_another_networks_expression_is_where_the_fit_starts_from() -> None:
    view = photographed(0, {})
    told = LandmarkView(view.landmarks, CENTER, FOCAL, arkit_weights({"cheekPuff": 1.0}))
    index = ARKIT_NAMES.index("cheekPuff")
    assert fit_head(HEAD, [told]).expressions[0, index] > fit_head(HEAD, [view]).expressions[0, index] + 0.05


def test_bad_landmarks_are_refused() -> None:
    with pytest.raises(UsageError, match="no photo"):
        fit_head(HEAD, [])
    with pytest.raises(InputError, match="landmarks"):
        LandmarkView(np.zeros((468, 3)), CENTER)
    with pytest.raises(InputError, match="landmarks"):
        LandmarkView(np.full((478, 3), np.nan), CENTER)
