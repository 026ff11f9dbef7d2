"""One photo's landmarks as equations: how they change with the head's shape, expression, pose and lens."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fastavatar.core import head_turn_deg
from fastavatar.errors import InputError
from fastavatar.geometry import Array, Ints, fit_similarity
from fastavatar.head import ARKIT_NAMES, LandmarkPlaces, ParametricHead

FACE_LANDMARKS = 468
"""Landmarks of the skin; the irises that follow also move with the gaze."""
EXPRESSIONS: Ints = np.array(
    [k for k, name in enumerate(ARKIT_NAMES) if not name.startswith("eyeLook") and name != "tongueOut"]
)
"""Expressions that the skin's landmarks can tell."""
LANDMARK_SIGMA_M = 0.003
"""Standard deviation of a typical landmark, metres: more than the 1.7 mm of frontal renders (`places.sigma`),
as the errors of neighbours are alike, and 468 landmarks tell less than 468 independent ones. On two people
and a scan, 2 to 4.5 mm differ by 0.03 mm in the face (`benchmarks/head_fit.py`)."""
SIGMA_RANGE = (0.6, 3.0)
"""How far one landmark's deviation may lie from the typical one's, as a factor."""
HUBER_SIGMAS = 2.5
"""Residuals beyond this count linearly, not squared (Huber 1964)."""
POSE, LENS = 6, 7
"""Unknowns of a camera: turn and shift, and with its lens the logarithm of the focal length."""


@dataclass(frozen=True)
class LandmarkView:
    """The landmarks that a finder saw in one photo."""

    landmarks: Array | NDArray[np.float32]
    """(478, 3) Face Mesh's, pixels, as in `Face.landmarks`."""
    center_px: tuple[float, float]
    """The principal point, as a rule the photo's middle."""
    focal_px: float | None = None
    """Focal length in pixels; None if unknown: it is then fitted with a prior on the distance."""
    expression: Array | None = None
    """(52,) weights of ARKit's expressions that another network saw, the prior's mean; None for a neutral."""

    def __post_init__(self) -> None:
        """Check the landmarks; raises `InputError`."""
        if np.shape(self.landmarks) != (478, 3) or not np.isfinite(self.landmarks).all():
            raise InputError(
                f"a head is fitted to finite landmarks (478, 3), found {np.shape(self.landmarks)}"
            )
        if self.expression is not None and np.shape(self.expression) != (len(ARKIT_NAMES),):
            raise InputError(f"expression must have shape (52,), found {np.shape(self.expression)}")


@dataclass(frozen=True)
class LandmarkModel:
    """The head where its landmarks lie."""

    mean: Array
    """(468, 3)"""
    modes: Array
    """(K, 468, 3)"""
    actions: Array
    """(E, 468, 3) those of `EXPRESSIONS`."""
    places: LandmarkPlaces

    @classmethod
    def of(cls, head: ParametricHead) -> "LandmarkModel":
        """The landmarks of a head, modes (K, V, 3) and actions (52, V, 3) included."""
        parts = (head.mean, head.modes.astype(np.float64), head.actions[EXPRESSIONS].astype(np.float64))
        mean, modes, actions = (head.places.at(part)[..., :FACE_LANDMARKS, :] for part in parts)
        return cls(mean, modes, actions, head.places)

    def known(self, identity: Array) -> "LandmarkModel":
        """The model of one person with coefficients (K,), which leaves no identity to be found."""
        return replace(self, mean=self.mean + np.tensordot(identity, self.modes, 1), modes=self.modes[:0])

    def at(self, identity: Array, expression: Array) -> Array:
        """The landmarks (468, 3) of coefficients (K,) and weights (E,), head frame."""
        return np.asarray(
            self.mean + np.tensordot(identity, self.modes, 1) + np.tensordot(expression, self.actions, 1)
        )


@dataclass(frozen=True)
class HeadShot:
    """The camera and the expression of one photo, as far as they are known."""

    rotation: Array
    """(3, 3) head frame to OpenCV camera axes."""
    shift: Array
    """(3,) metres."""
    focal_px: float
    expression: Array
    """(E,) weights."""

    @property
    def world_to_camera(self) -> Array:
        """(4, 4) rigid transform from the head frame to camera axes."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation, self.shift
        return pose

    @property
    def yaw_deg(self) -> float:
        """Azimuth of the camera seen from the head, positive toward the person's left."""
        center = -self.rotation.T @ self.shift
        return float(np.degrees(np.arctan2(center[0], center[2])))

    @property
    def turn_deg(self) -> Array:
        """Yaw, pitch and roll (3,) of the head before the camera; see `head_turn_deg`."""
        return head_turn_deg(self.rotation)

    def project(self, points: Array, center_px: tuple[float, float]) -> Array:
        """Pixels (N, 2) of points (N, 3) in the head frame."""
        in_camera = points @ self.rotation.T + self.shift
        return np.asarray(self.focal_px * in_camera[:, :2] / in_camera[:, 2:] + center_px)

    def moved(self, step: Array) -> "HeadShot":
        """The shot after a step (7,): turn about the head's origin, shift, logarithm of the focal length."""
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        focal_px = self.focal_px * float(np.exp(step[POSE]))
        return replace(
            self, rotation=turn @ self.rotation, shift=self.shift + step[3:POSE], focal_px=focal_px
        )


def first_shot(model: LandmarkModel, view: LandmarkView, distance_m: float) -> HeadShot:
    """Where the average head stands if its landmarks are Face Mesh's, whose relative depth is rough.

    Without a focal length the head stands `distance_m` away.
    """
    found = view.landmarks[:FACE_LANDMARKS].astype(np.float64)
    px_per_m, rotation, origin_px = fit_similarity(model.mean, found)
    focal_px = view.focal_px or px_per_m * distance_m
    depth = focal_px / px_per_m
    on_plane = (origin_px[:2] - view.center_px) / focal_px
    return HeadShot(rotation, np.append(depth * on_plane, depth), focal_px, np.zeros(len(EXPRESSIONS)))


def posed_points(
    points: Array, shot: HeadShot, center_px: tuple[float, float], actions: Array, modes: Array
) -> tuple[Array, Array, Array]:
    """Pixels (L, 2) of points (L, 3), head frame, and how they change.

    With a point itself, (L, 2, 3), and with the unknowns, (L, 2, 7 + E + K): those of `HeadShot.moved`,
    weights of actions (E, L, 3) and coefficients of modes (K, L, 3).
    """
    turned = points @ shot.rotation.T
    x, y, z = (turned + shot.shift).T
    f, zero = shot.focal_px, np.zeros(len(z))
    # ∂(f x/z, f y/z)/∂(x, y, z), (L, 2, 3)
    projection = np.stack(
        [np.stack([f / z, zero, -f * x / z**2], 1), np.stack([zero, f / z, -f * y / z**2], 1)], 1
    )
    # A turn ω moves R·p by ω × R·p = −[R·p]× ω
    a, b, c = turned.T
    cross = np.stack([np.stack([zero, c, -b], 1), np.stack([-c, zero, a], 1), np.stack([b, -a, zero], 1)], 1)
    from_center = f * np.stack([x, y], 1) / z[:, None]
    by_point = projection @ shot.rotation
    by_shape = np.einsum("lij,klj->lik", by_point, np.concatenate([actions, modes]))
    by_unknown = np.concatenate([projection @ cross, projection, from_center[..., None], by_shape], 2)
    return from_center + center_px, by_point, by_unknown


def landmark_sigmas(model: LandmarkModel, yaw_deg: float) -> tuple[Array, Array]:
    """Face Mesh's bias (468, 2) and the standard deviation (468,) of landmarks at a yaw, metres."""
    bias, sigma = (table[:FACE_LANDMARKS] for table in model.places.straying(yaw_deg))
    length = np.linalg.norm(sigma, axis=1)
    return bias, LANDMARK_SIGMA_M * np.clip(length / np.median(length), *SIGMA_RANGE)


def residuals_px(model: LandmarkModel, view: LandmarkView, shot: HeadShot, identity: Array) -> Array:
    """Landmarks (468, 2) minus where the head has them, bias removed, pixels; `identity` is (K,)."""
    points = model.at(identity, shot.expression)
    depth = (points @ shot.rotation.T + shot.shift)[:, 2:]
    bias, _ = landmark_sigmas(model, shot.yaw_deg)
    seen = view.landmarks[:FACE_LANDMARKS, :2] - bias * shot.focal_px / depth
    return np.asarray(seen - shot.project(points, view.center_px))


def linearised(
    model: LandmarkModel, view: LandmarkView, shot: HeadShot, identity: Array
) -> tuple[Array, Array]:
    """Residuals (936,) in standard deviations, and their derivatives (936, 7 + E + K), robustly weighted.

    The unknowns are those of `HeadShot.moved`, the expression's weights and the identity's coefficients (K,).
    """
    points = model.at(identity, shot.expression)
    _, _, jacobian = posed_points(points, shot, view.center_px, model.actions, model.modes)
    residual = residuals_px(model, view, shot, identity)
    _, sigma = landmark_sigmas(model, shot.yaw_deg)
    scale = ((points @ shot.rotation[2]).mean() + shot.shift[2]) / shot.focal_px / sigma
    length = np.linalg.norm(residual, axis=1) * scale
    scale = scale * np.sqrt(np.minimum(1, HUBER_SIGMAS / np.maximum(length, 1e-9)))
    return (residual * scale[:, None]).ravel(), (jacobian * scale[:, None, None]).reshape(
        -1, jacobian.shape[2]
    )
