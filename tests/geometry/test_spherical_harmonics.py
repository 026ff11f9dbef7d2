import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.errors import InputError
from fastavatar.geometry.spherical_harmonics import MAX_DEGREE, basis, degree_of, rotate
from tests.geometry.rotations import rotations

degrees = st.integers(0, MAX_DEGREE)
seeds = st.integers(0, 9999)


def coefficients(seed: int, degree: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, (degree + 1) ** 2, 3, generator=generator, dtype=torch.float64)


def directions(count: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.nn.functional.normalize(
        torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=1
    )


def sphere(rows: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions (M, 3) and weights (M,) that integrate polynomials over the sphere exactly (Gauss)."""
    import numpy as np

    z, weight = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(rows))
    azimuth = torch.arange(2 * rows, dtype=torch.float64) * math.pi / rows
    z, azimuth = torch.meshgrid(z, azimuth, indexing="ij")
    radius = torch.sqrt(1 - z * z)
    points = torch.stack([radius * torch.cos(azimuth), radius * torch.sin(azimuth), z], -1)
    return points.reshape(-1, 3), (weight[:, None] * math.pi / rows).expand_as(z).reshape(-1)


def test_the_basis_is_orthonormal() -> None:
    points, weights = sphere()
    values = basis(points, MAX_DEGREE)
    torch.testing.assert_close(values.T @ (values * weights[:, None]), torch.eye(16, dtype=torch.float64))


def test_the_signs_and_order_of_degree_one_and_two() -> None:
    """(y, z, x) with signs −, +, −; then xy, yz, 3z²−1, xz, x²−y² with signs +, −, +, −, +."""
    x, y, z = torch.eye(3, dtype=torch.float64)
    assert basis(torch.stack([y, z, x]), 1)[:, 1:].sign().tolist() == [[-1, 0, 0], [0, 1, 0], [0, 0, -1]]
    diagonal = torch.nn.functional.normalize(torch.stack([x + y, y + z, z, x + z, x]), dim=1)
    assert basis(diagonal, 2)[:, 4:].diagonal().sign().tolist() == [1, -1, 1, -1, 1]


def test_the_signs_and_order_of_degree_three() -> None:
    """y(3x²−y²), xyz, y(5z²−1), z(5z²−3), x(5z²−1), z(x²−y²), x(x²−3y²): −, +, −, +, −, +, −."""
    s = 0.5**0.5
    where = [[s, s, 0], [1, 1, 1], [0, s, s], [0, 0, 1], [s, 0, s], [s, 0, s], [1, 0, 0]]
    unit = torch.nn.functional.normalize(torch.tensor(where, dtype=torch.float64), dim=1)
    assert basis(unit, 3)[:, 9:].diagonal().sign().tolist() == [-1, 1, -1, 1, -1, 1, -1]


@given(rotations, degrees, seeds)
def test_turned_functions_are_the_old_ones_at_directions_turned_back(
    R: torch.Tensor, degree: int, seed: int
) -> None:
    old = coefficients(seed, degree)
    seen = torch.einsum("mk,nkc->mnc", basis(directions(), degree), rotate(old, R))
    expected = torch.einsum("mk,nkc->mnc", basis(directions() @ R, degree), old)
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-9)


@given(rotations, degrees, seeds)
def test_a_rotation_and_its_inverse_cancel(R: torch.Tensor, degree: int, seed: int) -> None:
    old = coefficients(seed, degree)
    torch.testing.assert_close(rotate(rotate(old, R), R.T), old, rtol=0, atol=1e-9)


@given(rotations, rotations, seeds)
def test_two_turns_are_one(first: torch.Tensor, then: torch.Tensor, seed: int) -> None:
    old = coefficients(seed, 3)
    torch.testing.assert_close(rotate(rotate(old, first), then), rotate(old, then @ first), rtol=0, atol=1e-9)


@pytest.mark.parametrize("diagonal", [(1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0)])
def test_half_turns_only_change_signs(diagonal: tuple[float, ...]) -> None:
    old = coefficients(0, 3).float()
    assert torch.equal(rotate(old, torch.diag(torch.tensor(diagonal))).abs(), old.abs())


@pytest.mark.parametrize(("count", "degree"), [(1, 0), (4, 1), (9, 2), (16, 3)])
def test_degree_follows_from_the_number_of_coefficients(count: int, degree: int) -> None:
    assert degree_of(count) == degree


@pytest.mark.parametrize("count", [0, 2, 3, 15, 17, 25])
def test_a_number_of_coefficients_without_a_degree_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"1, 4, 9 or 16 coefficients, found {count}"):
        degree_of(count)
