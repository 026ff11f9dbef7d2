import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.geometry.spherical_harmonics import basis


def _random(seed: int) -> tuple[Gaussians, torch.Tensor, torch.Tensor]:
    """Anisotropic Gaussians with three bands of SH, a rotation and a translation; float64."""
    torch.manual_seed(seed)
    gaussians = Gaussians(
        torch.randn(6, 3), torch.randn(6, 4), torch.randn(6, 3), torch.randn(6), torch.randn(6, 16, 3)
    ).to("cpu", torch.float64)
    return (
        gaussians,
        matrix_from_quaternion_wxyz(torch.randn(4, dtype=torch.float64)),
        torch.randn(3).double(),
    )


def _covariances(gaussians: Gaussians) -> torch.Tensor:
    axes = matrix_from_quaternion_wxyz(gaussians.quats_wxyz) * gaussians.scales[:, None]
    return axes @ axes.mT


@given(st.integers(0, 999), st.floats(0.1, 10))
def test_a_similarity_moves_means_shapes_and_colours(seed: int, scale: float) -> None:
    before, rotation, translation = _random(seed)
    after = before.transformed(scale, rotation, translation)
    torch.testing.assert_close(after.means, scale * before.means @ rotation.T + translation)
    torch.testing.assert_close(_covariances(after), scale**2 * rotation @ _covariances(before) @ rotation.T)
    assert torch.equal(after.opacity_logits, before.opacity_logits)
    direction = torch.nn.functional.normalize(torch.randn(3, dtype=torch.float64), dim=0)
    turned = basis(rotation @ direction, 3) @ after.sh
    torch.testing.assert_close(turned, basis(direction, 3) @ before.sh, atol=1e-6, rtol=0)


@given(st.integers(0, 999), st.floats(0.1, 10))
def test_the_inverse_similarity_undoes_it(seed: int, scale: float) -> None:
    before, rotation, translation = _random(seed)
    there = before.transformed(scale, rotation, translation)
    back = there.transformed(1 / scale, rotation.T, -(rotation.T @ translation) / scale)
    torch.testing.assert_close(back.means, before.means)
    torch.testing.assert_close(back.log_scales, before.log_scales)
    torch.testing.assert_close(_covariances(back), _covariances(before))
    torch.testing.assert_close(back.sh, before.sh, atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_must_be_positive(scale: float) -> None:
    gaussians, rotation, translation = _random(0)
    with pytest.raises(InputError, match="scale must be positive"):
        gaussians.transformed(scale, rotation, translation)
