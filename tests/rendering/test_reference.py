"""The oracle against gsplat's own torch code, which can project on a CPU but not rasterise."""

from typing import Any

import pytest
import torch

from fastavatar.geometry import spherical_harmonics
from fastavatar.rendering.constants import BLUR_PX2
from fastavatar.rendering.reference import clamped_jacobian, project
from tests.rendering.scenes import random_gaussians, slanted_camera


@pytest.fixture(scope="module")
def gsplat() -> Any:
    return pytest.importorskip("gsplat.cuda._torch_impl", reason="needs gsplat, of the extra `dev` or `cuda`")


def test_splats_are_those_of_gsplat(gsplat: Any) -> None:
    gaussians = random_gaussians(0, 200, spread_m=0.6).to("cpu", torch.float64)
    camera = slanted_camera().to("cpu", torch.float64)
    covariances, _ = gsplat._quat_scale_to_covar_preci(gaussians.quats_wxyz, gaussians.scales, True, False)
    radii, means2d, depths, conics, _ = gsplat._fully_fused_projection(
        gaussians.means,
        covariances,
        camera.world_to_camera[None],
        camera.K[None],
        camera.width,
        camera.height,
        eps2d=BLUR_PX2,
    )
    in_front = depths[0] > 0.01
    order = torch.argsort(depths[0][in_front], stable=True)
    splats = project(gaussians, camera)
    inverse = torch.linalg.inv(splats.cov2d)
    found = torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], -1)
    torch.testing.assert_close(splats.means2d, means2d[0][in_front][order])
    torch.testing.assert_close(found, conics[0][in_front][order])
    torch.testing.assert_close(splats.depths, depths[0][in_front][order])


def test_colors_are_those_of_gsplat(gsplat: Any) -> None:
    gaussians = random_gaussians(0).to("cpu", torch.float64)
    camera = slanted_camera().to("cpu", torch.float64)
    directions = gaussians.means - torch.linalg.inv(camera.world_to_camera)[:3, 3]
    expected = gsplat._spherical_harmonics(3, directions, gaussians.sh)
    basis = spherical_harmonics.basis(torch.nn.functional.normalize(directions, dim=-1), 3)
    torch.testing.assert_close(torch.einsum("nk,nkc->nc", basis, gaussians.sh), expected)


def test_the_jacobian_is_the_derivative_of_the_projection() -> None:
    camera = slanted_camera().to("cpu", torch.float64)
    points = torch.tensor([[0.05, -0.03, 1.0], [0.1, 0.1, 2.0]], dtype=torch.float64)

    def pixels(in_camera: torch.Tensor) -> torch.Tensor:
        homogeneous = in_camera @ camera.K.T
        return homogeneous[:, :2] / homogeneous[:, 2:]

    full = torch.autograd.functional.jacobian(pixels, points)  # type: ignore[no-untyped-call]
    expected = torch.stack([full[i, :, i] for i in range(2)])
    torch.testing.assert_close(clamped_jacobian(points, camera), expected)
