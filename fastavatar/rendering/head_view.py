"""Where the head is among the Gaussians, and cameras that show it."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians, frontal_camera

HEAD_REACH_M = 0.25
"""Gaussians up to here from the head frame's origin belong to the head rather than the shoulders."""
LEAST_OPACITY = 0.1
MARGIN = 1.15
DISTANCE_M = 1.0
"""From where a head looks as people see each other."""


def head_sphere(gaussians: Gaussians) -> tuple[Tensor, float]:
    """Centre (3,) and radius in metres of a sphere about the head, not the shoulders, in the head frame."""
    g = gaussians.detach().to("cpu", torch.float32)
    means = g.means[(g.opacities > LEAST_OPACITY) & (g.means.norm(dim=1) < HEAD_REACH_M)]
    if not len(means):
        return torch.zeros(3), HEAD_REACH_M
    # numpy, because torch refuses quantiles of more than 16 million numbers
    low, high = (torch.from_numpy(np.quantile(means, q, axis=0)).float() for q in (0.01, 0.99))
    return (low + high) / 2, min(MARGIN * float((high - low).max()) / 2, HEAD_REACH_M)


def frame_sphere(camera: Camera, center: Tensor, radius_m: float, size_px: int) -> Camera:
    """The same view cropped and resized to a square that just holds a sphere about `center` (3,)."""
    pixel, depth = camera.project(center[None])
    half_px = camera.K.diagonal()[:2].mean() * radius_m / depth[0]
    zoom = size_px / (2 * half_px)
    K = camera.K.clone()
    K[:2, 2] -= pixel[0] - half_px
    K[:2] *= zoom
    return replace(camera, K=K, width=size_px, height=size_px)


def facing_camera(center: Tensor, radius_m: float, size_px: int) -> Camera:
    """A camera straight before the face whose square picture a sphere about `center` (3,) just fills."""
    camera = frontal_camera(DISTANCE_M, float(size_px), size_px, size_px, center)
    return frame_sphere(camera, center, radius_m, size_px)
