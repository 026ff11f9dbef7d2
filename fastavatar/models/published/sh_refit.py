"""Colours for every direction from networks that were trained on few.

The training views stood within ±50° of azimuth and ±20° of elevation. There the published networks' colours
are as they were trained; beyond, their spherical harmonics swing by up to a hundred, and profiles come out
dark and tinted. So each Gaussian's harmonics are refitted to the colours it shows within that range, with a
ridge toward their mean: as the basis is orthonormal, their squared distance from it over the whole sphere.
"""

import torch
from torch import Tensor

from fastavatar.geometry import C0, basis, spherical_harmonics

AZIMUTH_DEG, ELEVATION_DEG = 50.0, 20.0
"""How far from the front the training views stood, to both sides, up and down."""
_RIDGE = 1e-3  # changes smooth colours within the range by less than one 8-bit step on average
_MARGIN_DEG = 20.0  # beyond the range, from where on colours are held near their mean
_LEEWAY = 0.1  # that black and white have there as well


def refit_sh(sh: Tensor) -> Tensor:
    """Coefficients (N, K, 3) with the colours of `sh` (N, K, 3) within the range, and near their mean beyond.

    Within the range colours are taken as displayed, clamped to 0…1. Well beyond it none is further from the
    mean than half the way to black or white: where one would be, all of the Gaussian's variation shrinks.
    """
    count, size, _ = sh.shape
    degree = spherical_harmonics.degree_of(size)
    seen, elsewhere = (basis(directions, degree) for directions in (_range(), _beyond()))
    ridge = _RIDGE * torch.eye(size, dtype=seen.dtype)
    fit = torch.linalg.solve(seen.T @ seen / len(seen) + ridge, seen.T) / len(
        seen
    )  # (K, M), for all Gaussians

    # from here on a column for each Gaussian and channel, (·, 3N)
    colors = (seen.to(sh) @ sh.movedim(1, 0).reshape(size, -1) + 0.5).clamp(0, 1)
    mean = colors.mean(0)
    variation = fit.to(sh) @ (colors - mean)
    swing = elsewhere.to(sh) @ variation
    room = torch.where(swing < 0, mean, 1 - mean).mul(0.5).clamp_min(_LEEWAY)
    shrink = (room / swing.abs().clamp_min(1e-6)).amin(0).reshape(count, -1).amin(1).clamp_max(1)
    fitted: Tensor = shrink[:, None, None] * variation.reshape(size, count, -1).movedim(0, 1)
    fitted[:, 0] += (mean.reshape(count, -1) - 0.5) / C0
    return fitted


def _range() -> Tensor:
    """(M, 3) unit vectors from the training views' cameras to the head."""
    return _gazes(_steps(-AZIMUTH_DEG, AZIMUTH_DEG), _steps(-ELEVATION_DEG, ELEVATION_DEG))


def _beyond() -> Tensor:
    """(M, 3) as `_range`, from all around the head but near that range."""
    side, up = AZIMUTH_DEG + _MARGIN_DEG, ELEVATION_DEG + _MARGIN_DEG
    around, height = _steps(-180, 160, 20), _steps(-80, 80, 20)
    return torch.cat(
        [
            _gazes(around[around.abs() >= side], height[height.abs() < up]),
            _gazes(around, height[height.abs() >= up]),
        ]
    )


def _steps(first: float, last: float, step: float = 10) -> Tensor:
    return torch.arange(first, last + 1, step, dtype=torch.float64)


def _gazes(azimuth_deg: Tensor, elevation_deg: Tensor) -> Tensor:
    """(A · E, 3) unit vectors from cameras at all these angles to the head's middle."""
    azimuth, elevation = torch.meshgrid(azimuth_deg.deg2rad(), elevation_deg.deg2rad(), indexing="ij")
    level = elevation.cos()
    to_camera = torch.stack([azimuth.sin() * level, elevation.sin(), azimuth.cos() * level], -1)
    return -to_camera.reshape(-1, 3)
