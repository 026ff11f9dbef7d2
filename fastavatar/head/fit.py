"""Fits the parametric head to the landmarks of one or several photos of a person.

landmarks ─┬─ similarity ─▶ first pose ─┐
           └─ minus bias ──▶ residuals ─┴─▶ Gauss–Newton ─▶ identity; expression, pose and lens of each photo
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from fastavatar.errors import UsageError
from fastavatar.geometry import Array, Bools
from fastavatar.head import (
    ARKIT_NAMES,
    EXPRESSIONS,
    LENS,
    POSE,
    HeadShot,
    LandmarkModel,
    LandmarkView,
    ParametricHead,
    Ties,
    first_shot,
    linearised,
    residuals_px,
    tie_equations,
)

STEPS, POSE_STEPS = 10, 3
"""Steps of Gauss–Newton, the first of them for poses alone; 30 more move no landmark by 0.01 px."""
TIED_STEPS = 4
"""Steps between two comparisons of photos."""
FOLLOWING_STEPS = 2
"""Steps from one frame of a video to the next."""
EXPRESSION_SIGMA = 0.25
"""Prior standard deviation of a weight; 0.1 and 0.5 make faces of captures worse by 0.03 to 0.1 mm."""
DISTANCE_M, DISTANCE_RANGE_M = 1.06, (0.45, 2.5)
"""Distances at which people are photographed: the geometric mean of a range from selfie to portrait."""
DISTANCE_LOG_SIGMA = 0.43
"""The range is two standard deviations to either side, in logarithms."""
_MOST_LENS_STEP = 0.3


@dataclass(frozen=True)
class HeadFit:
    """One head in one or several photos."""

    identity: Array
    """(K,) coefficients in standard deviations, the same in all photos."""
    expressions: Array
    """(P, 52) weights 0…1 of each photo, in the order of `ARKIT_NAMES`."""
    world_to_camera: Array
    """(P, 4, 4) head frame to OpenCV camera axes, metres."""
    focal_px: Array
    """(P,) as given, or as fitted where a photo has none."""
    residuals_px: Array
    """(P, 468, 2) landmarks minus those of the head, Face Mesh's bias removed."""
    residual_m: Array
    """(P,) their root mean square at the head's distance, metres."""

    @property
    def shots(self) -> list[HeadShot]:
        """Camera and expression of each photo."""
        return [
            HeadShot(pose[:3, :3], pose[:3, 3], float(focal), expression[EXPRESSIONS])
            for pose, focal, expression in zip(
                self.world_to_camera, self.focal_px, self.expressions, strict=True
            )
        ]


def fit_head(head: ParametricHead, views: Sequence[LandmarkView]) -> HeadFit:
    """The head whose landmarks all photos show: least squares with a Gaussian prior on heads.

    Identity is shared; every photo has its own expression and pose, and its own focal length where it does
    not state one. Raises `UsageError` without photos.
    """
    if not views:
        raise UsageError("there is no photo to fit a head to")
    model = LandmarkModel.of(head)
    identity = np.zeros(len(model.modes))
    shots = [first_shot(model, view, DISTANCE_M) for view in views]
    # The matrices are small: threads would cost more than they save, and round sums in another order
    with threadpool_limits(1, "blas"):
        for step in range(STEPS):
            system = _System(model, views, shots, identity)
            identity, shots = system.step(pose_only=step < POSE_STEPS)
    return _fit_of(model, views, shots, identity)


def fit_tied_head(
    head: ParametricHead, views: Sequence[LandmarkView], start: HeadFit, ties: Sequence[Ties]
) -> HeadFit:
    """The head that `fit_head` found, fitted further to places of skin that pairs of photos show."""
    model = LandmarkModel.of(head)
    identity, shots = start.identity, start.shots
    with threadpool_limits(1, "blas"):
        for _ in range(TIED_STEPS):
            identity, shots = _System(model, views, shots, identity, ties).step(pose_only=False)
    return _fit_of(model, views, shots, identity)


def _fit_of(
    model: LandmarkModel, views: Sequence[LandmarkView], shots: Sequence[HeadShot], identity: Array
) -> HeadFit:
    left = np.stack([residuals_px(model, *pair, identity) for pair in zip(views, shots, strict=True)])
    expressions = np.zeros((len(views), len(ARKIT_NAMES)))
    expressions[:, EXPRESSIONS] = [shot.expression for shot in shots]
    metres_per_px = np.array([shot.shift[2] / shot.focal_px for shot in shots])
    return HeadFit(
        identity,
        expressions,
        np.stack([shot.world_to_camera for shot in shots]),
        np.array([shot.focal_px for shot in shots]),
        left,
        np.sqrt((left**2).sum(2).mean(1)) * metres_per_px,
    )


def follow_head(model: LandmarkModel, view: LandmarkView, start: HeadShot) -> HeadShot:
    """Expression and pose of a head of known identity (`LandmarkModel.known`) in the next frame of a video.

    `start` is the shot of the frame before, or of `first_shot`; the view must state its focal length. BLAS is
    best limited to one thread around all calls, as the matrices are small.
    """
    for _ in range(FOLLOWING_STEPS):
        _, (start,) = _System(model, [view], [start], np.zeros(0)).step(pose_only=False)
    return start


@dataclass(frozen=True)
class _System:
    """The normal equations at the current head: identity first, then each photo's camera and expression."""

    model: LandmarkModel
    views: Sequence[LandmarkView]
    shots: Sequence[HeadShot]
    identity: Array
    ties: Sequence[Ties] = ()

    def step(self, pose_only: bool) -> tuple[Array, list[HeadShot]]:
        """Identity (K,) and shots after a step, weights of expressions kept within 0…1."""
        hessian, gradient, free = self._assembled()
        modes, block = len(self.identity), LENS + len(EXPRESSIONS)
        weights = np.zeros(len(gradient), bool)
        for photo in range(len(self.views)):
            start = modes + photo * block
            weights[start + LENS : start + block] = True
        if pose_only:
            free &= ~weights
            free[:modes] = False
            free[modes + POSE :: block] = False
        current = np.concatenate(
            [self.identity, *(np.append(np.zeros(LENS), s.expression) for s in self.shots)]
        )
        low, high = (np.where(weights, bound - current, sign * np.inf) for bound, sign in ((0, -1), (1, 1)))
        change = _bounded(hessian, gradient, free, low, high)
        shots = []
        for photo, shot in enumerate(self.shots):
            own = change[modes + photo * block :][:block]
            own[POSE] = np.clip(own[POSE], -_MOST_LENS_STEP, _MOST_LENS_STEP)
            moved = replace(shot.moved(own), expression=shot.expression + own[LENS:])
            shots.append(_within_reach(moved) if self.views[photo].focal_px is None else moved)
        return self.identity + change[:modes], shots

    def _assembled(self) -> tuple[Array, Array, Bools]:
        """Hessian, gradient and which unknowns are free: JᵀJ, Jᵀr of landmarks and priors."""
        modes, block = len(self.identity), LENS + len(EXPRESSIONS)
        size = modes + len(self.views) * block
        hessian, gradient, free = np.zeros((size, size)), np.zeros(size), np.ones(size, bool)
        # Identity is standard normal
        hessian[np.arange(modes), np.arange(modes)] += 1
        gradient[:modes] -= self.identity
        for photo, (view, shot) in enumerate(zip(self.views, self.shots, strict=True)):
            start = modes + photo * block
            index = np.concatenate([np.arange(start, start + block), np.arange(modes)])
            residual, jacobian = linearised(self.model, view, shot, self.identity)
            hessian[np.ix_(index, index)] += jacobian.T @ jacobian
            gradient[index] += jacobian.T @ residual
            weights = np.arange(start + LENS, start + block)
            expected = 0.0 if view.expression is None else np.clip(view.expression[EXPRESSIONS], 0, 1)
            hessian[weights, weights] += EXPRESSION_SIGMA**-2
            gradient[weights] += EXPRESSION_SIGMA**-2 * (expected - shot.expression)
            lens, depth = start + POSE, start + POSE - 1
            free[lens] = view.focal_px is None
            if free[lens]:
                # The logarithm of the distance is normal
                slope = 1 / (shot.shift[2] * DISTANCE_LOG_SIGMA)
                hessian[depth, depth] += slope**2
                gradient[depth] -= slope * np.log(shot.shift[2] / DISTANCE_M) / DISTANCE_LOG_SIGMA
        centers = [view.center_px for view in self.views]
        for ties in self.ties:
            blocks = [np.arange(block) + modes + photo * block for photo in ties.photos]
            index = np.concatenate([*blocks, np.arange(modes)])
            residual, jacobian = tie_equations(ties, self.shots, centers, self.identity)
            hessian[np.ix_(index, index)] += jacobian.T @ jacobian
            gradient[index] += jacobian.T @ residual
        return hessian, gradient, free


def _within_reach(shot: HeadShot) -> HeadShot:
    """The shot at a distance within the range of photos, the head as large in the picture as before."""
    factor = float(np.clip(shot.shift[2], *DISTANCE_RANGE_M) / shot.shift[2])
    return replace(shot, shift=shot.shift * factor, focal_px=shot.focal_px * factor)


def _bounded(hessian: Array, gradient: Array, free: Bools, low: Array, high: Array) -> Array:
    """The step that solves H x = g over the free unknowns, those that would leave their bounds held there."""
    change = np.zeros(len(gradient))
    free = free.copy()
    for _ in range(4):  # each round holds what left its bounds
        rest = gradient[free] - hessian[np.ix_(free, ~free)] @ change[~free]
        change[free] = np.linalg.solve(hessian[np.ix_(free, free)], rest)
        outside = free & ((change < low) | (change > high))
        if not outside.any():
            return change
        change = np.clip(change, low, high)
        free &= ~outside
    return change
