"""The rasteriser to compare with: slow, obvious, every pixel against every Gaussian.

Plain torch on any device in any floating-point type, differentiated by autograd. Source: Kerbl et al. 2023
(3D Gaussian Splatting), section 4, and Zwicker et al. 2001 (EWA splatting) for the projection.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.geometry import matrix_from_quaternion_wxyz, spherical_harmonics
from fastavatar.rendering import (
    ALPHA_MAX,
    ALPHA_MIN,
    BLUR_PX2,
    FAR_M,
    FRUSTUM_MARGIN,
    NEAR_M,
    TRANSMITTANCE_MIN,
    Compositing,
    Render,
    lay_over,
)

_PAIRS_AT_ONCE = 1 << 22  # pixel–Gaussian pairs held in memory together


@dataclass(frozen=True)
class Splats:
    """M Gaussians in front of the camera, seen in the picture, from near to far."""

    means2d: Tensor
    """(M, 2) centres in pixels."""
    cov2d: Tensor
    """(M, 2, 2) covariances in square pixels, blur included."""
    depths: Tensor
    """(M,) metres along the optical axis."""
    opacities: Tensor
    """(M,) in (0, 1)."""
    colors: Tensor
    """(M, 3) sRGB, not negative."""


def render_reference(
    gaussians: Gaussians, camera: Camera, background: Tensor, compositing: Compositing = "classic"
) -> Render:
    """Draw `gaussians` over `background` (3,) in the type and on the device of their means."""
    camera = camera.to(gaussians.means.device, gaussians.means.dtype)
    splats = project(gaussians, camera)
    pixels = pixel_centers(camera.width, camera.height).to(gaussians.means)
    rows = max(1, _PAIRS_AT_ONCE // max(1, len(splats.depths)))
    parts = [composite(splats, some) for some in torch.split(pixels, rows)]
    color, alpha, depth = (torch.cat(part) for part in zip(*parts, strict=True))
    shape = (camera.height, camera.width)
    color, alpha, depth = color.view(*shape, 3), alpha.view(shape), depth.view(shape)
    return Render(lay_over(color, alpha, background.to(color), compositing), alpha, depth)


def project(gaussians: Gaussians, camera: Camera) -> Splats:
    """Splats (M ≤ N) of those Gaussians that lie between the near and the far plane, ties by index."""
    rotation, translation = camera.world_to_camera[:3, :3], camera.world_to_camera[:3, 3]
    depths = (gaussians.means @ rotation.T + translation)[:, 2]
    drawn = ((depths >= NEAR_M) & (depths <= FAR_M)).nonzero().squeeze(1)
    front_to_back = drawn[torch.argsort(depths.detach()[drawn], stable=True)]
    gaussians = gaussians.subset(front_to_back)

    means2d, depths = camera.project(gaussians.means)
    in_camera = gaussians.means @ rotation.T + translation
    J = clamped_jacobian(in_camera, camera)
    axes = matrix_from_quaternion_wxyz(gaussians.quats_wxyz) * gaussians.scales[:, None]
    on_image = J @ rotation @ axes
    cov2d = on_image @ on_image.mT + BLUR_PX2 * torch.eye(2).to(J)

    directions = torch.nn.functional.normalize(gaussians.means - camera.center, dim=-1)
    basis = spherical_harmonics.basis(directions, gaussians.sh_degree)
    colors = (torch.einsum("nk,nkc->nc", basis, gaussians.sh) + 0.5).clamp_min(0)
    return Splats(means2d, cov2d, depths, gaussians.opacities, colors)


def clamped_jacobian(in_camera: Tensor, camera: Camera) -> Tensor:
    """Derivatives (N, 2, 3) of pixels by camera-frame points (N, 3), constant far outside the picture."""
    x, y, z = in_camera.unbind(-1)
    focal, principal = camera.K.diagonal()[:2], camera.K[:2, 2]
    size = torch.tensor([camera.width, camera.height]).to(focal)
    margin = FRUSTUM_MARGIN * 0.5 * size / focal
    low, high = -principal / focal - margin, (size - principal) / focal + margin
    slope_x = torch.clamp(x / z, low[0], high[0])
    slope_y = torch.clamp(y / z, low[1], high[1])
    zero = torch.zeros_like(z)
    return torch.stack(
        [
            torch.stack([focal[0] / z, zero, -focal[0] * slope_x / z], -1),
            torch.stack([zero, focal[1] / z, -focal[1] * slope_y / z], -1),
        ],
        -2,
    )


def composite(splats: Splats, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted colours (P, 3), alpha (P,) and mean depth (P,) at `pixels` (P, 2)."""
    offset = pixels[:, None] - splats.means2d  # (P, M, 2)
    mahalanobis2 = torch.einsum("pmi,mij,pmj->pm", offset, torch.linalg.inv(splats.cov2d), offset)
    alpha = (splats.opacities * torch.exp(-0.5 * mahalanobis2)).clamp_max(ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, 0.0)
    log_after = torch.log1p(-alpha).cumsum(1)
    before = torch.exp(torch.nn.functional.pad(log_after, (1, 0))[:, :-1])
    weights = torch.where(log_after.exp() > TRANSMITTANCE_MIN, before * alpha, 0.0)
    covered = weights.sum(1)
    depth = weights @ splats.depths / covered.clamp_min(torch.finfo(covered.dtype).tiny)
    return weights @ splats.colors, covered, depth


def pixel_centers(width: int, height: int) -> Tensor:
    """(H·W, 2) x and y of every pixel's centre, row by row; the first is (0.5, 0.5)."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)
