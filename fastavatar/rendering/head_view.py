"""Where the head is among Gaussians or in a mesh, and cameras that show it."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians, Mesh, frontal_camera
from fastavatar.errors import InputError

HEAD_REACH_M = 0.25
"""Gaussians up to here from the head frame's origin belong to the head rather than the shoulders."""
LEAST_OPACITY = 0.1
"""Fainter Gaussians do not count: they hardly show."""
MARGIN = 1.15
"""Room about the centres, in radii, because a Gaussian reaches beyond its centre; chosen by eye."""
DISTANCE_M = 1.0
"""The distance at which people look at each other; a scene larger than a head is seen from farther away."""
DISTANCE_RADII = 3.0
"""A camera keeps this many radii away, which for a head (at most 0.29 m with its margin) is less than 1 m."""

CHIN_M = -0.1
"""Height of the chin in the head frame; what lies outside the head's reach above it can be no shoulders."""
MOST_ABOVE = 0.05
"""Share of the Gaussians above the chin that may lie beyond the head's reach. Heads of the embedded model
have none, those moved by 0.15 m or made 1.5 times larger have 6 % and more."""
LEAST_TOP_M = 0.03
"""Height that a head at the origin reaches. Heads of the embedded model reach 0.14 m; one moved down until
its chin leaves the reach does not reach this."""
OUTLIER_MEDIANS = 4.0
"""Gaussians beyond this many median distances from the median centre are stray. Those of the embedded
model end at 3.3."""
SIGMAS = 3.0
"""A Gaussian shows up to about three of its standard deviations."""
SMALLEST_M, LARGEST_M = 1e-6, 1e9
"""The intrinsics that frame a smaller or larger scene leave the range of float32."""
COARSEST = 0.02
"""Share of a camera's distance by which float32 may round places; beyond it the camera would lie anywhere."""


def head_sphere(shown: Gaussians | Mesh) -> tuple[Tensor, float]:
    """Centre (3,) and radius in metres of a sphere about the head in Gaussians or a mesh, in the head frame.

    For a head in metres at the origin the sphere leaves out the shoulders. For anything else, a head moved or
    scaled by another program, it holds everything but stray Gaussians. Raises `InputError` for Gaussians
    that span more than a camera can frame, or that lie too far from the origin.
    """
    return _sphere_of(shown, whole=False)


def whole_sphere(gaussians: Gaussians) -> tuple[Tensor, float]:
    """Centre (3,) and radius in metres of a sphere about everything but stray Gaussians, shoulders included.

    Raises `InputError` as `head_sphere` does.
    """
    return _sphere_of(gaussians, whole=True)


def _sphere_of(shown: Gaussians | Mesh, whole: bool) -> tuple[Tensor, float]:
    """Centre (3,) and radius of a sphere about the `whole` scene, or about the head where there is one."""
    means, sigma_m = _places(shown)
    if not len(means):
        return torch.zeros(3), HEAD_REACH_M
    reached = means.norm(dim=1) < HEAD_REACH_M
    if not whole and _is_head_at_origin(means, reached):
        center, radius_m = _sphere_about(means[reached])
        radius_m = min(radius_m, HEAD_REACH_M)
    else:
        center, radius_m = _sphere_about(_without_strays(means.double()))
    if radius_m < sigma_m or not radius_m:  # a single Gaussian, or all centres in one place
        radius_m = max(MARGIN * SIGMAS * sigma_m, SMALLEST_M)
    if not (radius_m < LARGEST_M and float(center.abs().max()) < LARGEST_M):
        raise InputError(
            f"the Gaussians are too large to be framed (radius {radius_m:.3g} m); scale them to metres"
        )
    away_m = float(center.abs().max())
    step_m = torch.finfo(torch.float32).eps * away_m
    if step_m > COARSEST * max(DISTANCE_M, DISTANCE_RADII * radius_m):
        raise InputError(
            f"the Gaussians lie {away_m:.3g} m from the origin, where float32 rounds to {step_m:.2g} m; "
            "move them to the origin"
        )
    return center, radius_m


def _places(shown: Gaussians | Mesh) -> tuple[Tensor, float]:
    """Centres (N, 3) that are not transparent, unless all are, or vertices; and the reach of one, metres."""
    if isinstance(shown, Mesh):
        return shown.vertices.detach().to("cpu", torch.float32), 0.0
    if not len(shown):
        return torch.zeros(0, 3), 0.0
    g = shown.detach().to("cpu", torch.float32)
    opaque = g.opacities > LEAST_OPACITY
    if not bool(opaque.any()):
        opaque = torch.ones_like(opaque)
    return g.means[opaque], float(g.scales[opaque].amax(1).median())


def frame_sphere(camera: Camera, center: Tensor, radius_m: float, size_px: int) -> Camera:
    """The same view cropped and resized to a square that just holds a sphere about `center` (3,).

    A camera that has the sphere behind it shows nothing of it: the result is then one before the face.
    """
    pixel, depth = camera.project(center[None])
    if depth[0] <= 0:
        return facing_camera(center, radius_m, size_px)
    half_px = camera.K.diagonal()[:2].mean() * radius_m / depth[0]
    zoom = size_px / (2 * half_px)
    K = camera.K.clone()
    K[:2, 2] -= pixel[0] - half_px
    K[:2] *= zoom
    return replace(camera, K=K, width=size_px, height=size_px)


def facing_camera(center: Tensor, radius_m: float, size_px: int) -> Camera:
    """A camera straight before the face whose square picture a sphere about `center` (3,) just fills."""
    distance_m = max(DISTANCE_M, DISTANCE_RADII * radius_m)
    camera = frontal_camera(distance_m, float(size_px), size_px, size_px, center)
    return frame_sphere(camera, center, radius_m, size_px)


def _is_head_at_origin(means: Tensor, reached: Tensor) -> bool:
    """Whether points (N, 3) are a head in metres at the origin; `reached` (N,) are those within its reach."""
    if bool(reached.all()):
        return True
    above = means[:, 1] > CHIN_M
    beyond = int((above & ~reached).sum())
    if not bool((above & reached).any()) or beyond > MOST_ABOVE * int(above.sum()):
        return False
    return bool(np.quantile(means[reached, 1].numpy(), 0.99) > LEAST_TOP_M)


def _without_strays(means: Tensor) -> Tensor:
    """The points (M, 3) of (N, 3) that are not far from most others."""
    away = (means - means.median(dim=0).values).norm(dim=1)
    return means[away <= OUTLIER_MEDIANS * away.median()]


def _sphere_about(means: Tensor) -> tuple[Tensor, float]:
    """Centre (3,) and radius of a sphere with a margin about points (N, 3), but for the outer hundredths."""
    # numpy, because torch refuses quantiles of more than 16 million numbers
    low, high = (torch.from_numpy(np.quantile(means.numpy(), q, axis=0)).float() for q in (0.01, 0.99))
    return (low + high) / 2, MARGIN * float((high - low).max()) / 2
