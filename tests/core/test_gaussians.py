import math
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.core import Gaussians, concatenate
from fastavatar.core import gaussians as module
from fastavatar.errors import InputError
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.geometry.spherical_harmonics import basis
from tests.geometry.rotations import rotations


def make(seed: int = 0, count: int = 6, degree: int = 3) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Gaussians(
        normal(count, 3) * 0.1,
        normal(count, 4),
        normal(count, 3) - 6,
        normal(count),
        normal(count, (degree + 1) ** 2, 3),
    )


many = st.builds(make, st.integers(0, 9999), st.integers(1, 6), st.integers(0, 3))


def covariances(g: Gaussians) -> torch.Tensor:
    """(N, 3, 3) covariance matrices."""
    axes = matrix_from_quaternion_wxyz(g.quats_wxyz) * g.scales[:, None, :]
    return axes @ axes.transpose(1, 2)


def require_same(found: Gaussians, expected: Gaussians) -> None:
    for name in ("means", "log_scales", "opacity_logits", "sh"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-8, msg=name)
    torch.testing.assert_close(covariances(found), covariances(expected), rtol=1e-6, atol=1e-12)


@given(many, rotations)
def test_a_rotation_and_its_inverse_cancel(g: Gaussians, R: torch.Tensor) -> None:
    require_same(g.rotated(R).rotated(R.T), g)


@given(many, rotations, rotations)
def test_two_turns_are_one(g: Gaussians, first: torch.Tensor, then: torch.Tensor) -> None:
    require_same(g.rotated(first).rotated(then), g.rotated(then @ first))


@given(many, rotations)
def test_turning_turns_everything_a_camera_sees(g: Gaussians, R: torch.Tensor) -> None:
    turned = g.rotated(R)
    torch.testing.assert_close(turned.means, g.means @ R.T)
    torch.testing.assert_close(covariances(turned), R @ covariances(g) @ R.T, rtol=1e-6, atol=1e-12)
    toward = torch.nn.functional.normalize(torch.ones(len(g), 3, dtype=torch.float64).cumsum(0), dim=1)
    seen = torch.einsum("nk,nkc->nc", basis(toward @ R.T, g.sh_degree), turned.sh)
    expected = torch.einsum("nk,nkc->nc", basis(toward, g.sh_degree), g.sh)
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-8)


@given(many, rotations, st.floats(0.1, 10))
def test_a_similarity_moves_centres_and_spreads_alike(g: Gaussians, R: torch.Tensor, scale: float) -> None:
    shift = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    moved = g.transformed(scale, R, shift)
    torch.testing.assert_close(moved.means, scale * g.means @ R.T + shift)
    torch.testing.assert_close(covariances(moved), scale**2 * R @ covariances(g) @ R.T, rtol=1e-6, atol=1e-12)
    back = moved.transformed(1 / scale, R.T, -(shift @ R) / scale)
    require_same(back, g)


@given(st.floats(1e-6, 10))
def test_scales_there_and_back(scale: float) -> None:
    value = torch.tensor(scale, dtype=torch.float64)
    torch.testing.assert_close(module.decode_scales(module.encode_scales(value)), value)


@given(st.floats(1e-6, 1 - 1e-6))
def test_opacities_there_and_back(opacity: float) -> None:
    value = torch.tensor(opacity, dtype=torch.float64)
    torch.testing.assert_close(module.decode_opacities(module.encode_opacities(value)), value)


@given(st.floats(-1, 2))
def test_colors_there_and_back(level: float) -> None:
    value = torch.full((2, 3), level, dtype=torch.float64)
    torch.testing.assert_close(module.decode_colors(module.encode_colors(value)), value)


def test_the_encodings_are_the_documented_ones() -> None:
    g = make(degree=0)
    torch.testing.assert_close(g.scales, torch.exp(g.log_scales))
    torch.testing.assert_close(g.opacities, 1 / (1 + torch.exp(-g.opacity_logits)))
    grey = module.encode_colors(torch.full((1, 3), 0.5))
    assert grey.tolist() == [[0, 0, 0]]
    white = module.encode_colors(torch.ones(1, 3))
    torch.testing.assert_close(white, torch.full((1, 3), math.sqrt(math.pi)))


def test_a_subset_keeps_what_belongs_together() -> None:
    g = make()
    for index in (torch.tensor([4, 1]), torch.tensor([False, True, False, False, True, False])):
        picked = g.subset(index)
        assert len(picked) == 2
        for name, value in picked.tensors().items():
            assert torch.equal(value, g.tensors()[name][index])


def test_concatenating_keeps_the_order() -> None:
    a, b = make(0), make(1, count=2)
    joined = concatenate([a, b])
    assert len(joined) == 8
    for name, value in joined.tensors().items():
        assert torch.equal(value, torch.cat([a.tensors()[name], b.tensors()[name]]))


def test_types_and_gradients() -> None:
    g = make().to("cpu", torch.float32)
    assert {value.dtype for value in g.tensors().values()} == {torch.float32}
    means = g.means.clone().requires_grad_()
    turned = replace(g, means=means).rotated(torch.eye(3))
    turned.means.square().sum().backward()  # type: ignore[no-untyped-call] # torch leaves it so
    assert means.grad is not None
    torch.testing.assert_close(means.grad, 2 * g.means)
    assert not turned.detach().means.requires_grad


def test_it_cannot_be_changed_by_accident() -> None:
    with pytest.raises(FrozenInstanceError):
        make().means = torch.zeros(6, 3)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("means", (6, 4), "means must have shape (N, 3), found (6, 4)"),
        ("quats_wxyz", (6, 3), "quats_wxyz must have shape (6, 4), found (6, 3)"),
        ("quats_wxyz", (5, 4), "quats_wxyz must have shape (6, 4), found (5, 4)"),
        ("log_scales", (6, 1), "log_scales must have shape (6, 3), found (6, 1)"),
        ("opacity_logits", (6, 1), "opacity_logits must have shape (6), found (6, 1)"),
        ("sh", (6, 3), "sh must have shape (6, N, 3), found (6, 3)"),
        ("sh", (6, 5, 3), "spherical harmonics have 1, 4, 9 or 16 coefficients, found 5"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        replace(make(), **{name: torch.zeros(shape)})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["means", "quats_wxyz", "log_scales", "opacity_logits", "sh"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_found(name: str, value: float) -> None:
    g = make()
    g.require_finite()
    g.tensors()[name][2] = value
    with pytest.raises(InputError, match=f"^{name} of Gaussian 2 is not finite: "):
        g.require_finite()


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan])
def test_a_similarity_needs_a_positive_scale(scale: float) -> None:
    with pytest.raises(InputError, match="scale must be positive"):
        make().transformed(scale, torch.eye(3), torch.zeros(3))
