"""Real spherical harmonics up to degree 3 in the order and signs of 3D Gaussian Splatting.

A colour is `basis(direction) · coefficients + 0.5`; the direction points from the camera to the Gaussian.
Source: Kerbl et al. 2023, whose signs follow the Condon–Shortley phase.
"""

import math

import torch
from torch import Tensor

from fastavatar.errors import InputError

MAX_DEGREE = 3

# Factors of the basis functions below, each the square root of a rational over π.
C0 = math.sqrt(1 / (4 * math.pi))
C1 = math.sqrt(3 / (4 * math.pi))
C2 = tuple(math.sqrt(q / (16 * math.pi)) for q in (60.0, 60.0, 5.0, 60.0, 15.0))
C3 = tuple(math.sqrt(q / (64 * math.pi)) for q in (70.0, 1680.0, 42.0, 28.0, 42.0, 420.0, 70.0))


def degree_of(coefficients: int) -> int:
    """Degree whose bands hold this many coefficients; raises `InputError` where there is none up to 3."""
    degree = math.isqrt(coefficients) - 1
    if (degree + 1) ** 2 != coefficients or not 0 <= degree <= MAX_DEGREE:
        raise InputError(f"spherical harmonics have 1, 4, 9 or 16 coefficients, found {coefficients}")
    return degree


def basis(directions: Tensor, degree: int) -> Tensor:
    """Basis functions (..., (degree+1)²) at unit directions (..., 3)."""
    x, y, z = directions.unbind(-1)
    terms = [torch.full_like(x, C0)]
    if degree >= 1:
        terms += [-C1 * y, C1 * z, -C1 * x]
    if degree >= 2:
        xx, yy, zz = x * x, y * y, z * z
        terms += [
            C2[0] * x * y,
            -C2[1] * y * z,
            C2[2] * (2 * zz - xx - yy),
            -C2[3] * x * z,
            C2[4] * (xx - yy),
        ]
    if degree >= 3:
        terms += [
            -C3[0] * y * (3 * xx - yy),
            C3[1] * x * y * z,
            -C3[2] * y * (4 * zz - xx - yy),
            C3[3] * z * (2 * zz - 3 * xx - 3 * yy),
            -C3[4] * x * (4 * zz - xx - yy),
            C3[5] * z * (xx - yy),
            -C3[6] * x * (xx - 3 * yy),
        ]
    return torch.stack(terms, -1)


def rotate(coefficients: Tensor, rotation: Tensor) -> Tensor:
    """Coefficients (N, K, C) of the functions turned by `rotation` (3, 3): new(d) = old(rotationᵀ d).

    Each band is closed under rotation, so its matrix follows exactly from the basis at a few
    directions and the same directions turned back.
    """
    degree = degree_of(coefficients.shape[1])
    # Solve B(d) M = B(Rᵀ d) for each band: M is that band's rotation matrix (a Wigner D-matrix)
    directions = _spread_directions()
    turn = rotation.detach().to("cpu", torch.float64)
    at_directions = basis(directions, degree)
    at_turned_back = basis(directions @ turn, degree)
    matrix = torch.zeros(coefficients.shape[1], coefficients.shape[1], dtype=torch.float64)
    for band in range(degree + 1):
        k = slice(band**2, (band + 1) ** 2)
        matrix[k, k] = torch.linalg.lstsq(at_directions[:, k], at_turned_back[:, k]).solution
    matrix = matrix.round(decimals=12)  # so that half turns only change signs, exactly
    return torch.einsum("jk,nkc->njc", matrix.to(coefficients), coefficients)


def rotate_each(coefficients: Tensor, rotations: Tensor) -> Tensor:
    """Coefficients (N, K, C) of which each set is turned by its own of `rotations` (N, 3, 3).

    Differentiable in both. As `rotate`, with as many directions as a band has functions: the first of a
    longer spiral, which unlike a whole one is not symmetric, so that they determine the odd bands too.
    """
    degree = degree_of(coefficients.shape[1])
    bands = [coefficients[:, :1]]
    for band in range(1, degree + 1):
        k = slice(band**2, (band + 1) ** 2)
        directions = _spread_directions(2 * band + 8)[: 2 * band + 1]
        inverse = torch.linalg.inv(basis(directions, degree)[:, k]).to(coefficients)
        turned_back = basis(directions.to(coefficients) @ rotations, degree)[:, :, k]
        bands.append(torch.einsum("ij,njk,nkc->nic", inverse, turned_back, coefficients[:, k]))
    return torch.cat(bands, 1)


def _spread_directions(count: int = 32) -> Tensor:
    """Unit vectors (count, 3) on a Fibonacci spiral: enough to determine every band up to degree 3."""
    # Equal steps in z are equal areas; the golden angle spreads the azimuths
    step = torch.arange(count, dtype=torch.float64) + 0.5
    z = 1 - 2 * step / count
    azimuth = step * math.pi * (3 - math.sqrt(5))
    radius = torch.sqrt(1 - z * z)
    return torch.stack([radius * torch.cos(azimuth), radius * torch.sin(azimuth), z], -1)
