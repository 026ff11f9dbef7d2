"""The loss of a signed distance field against samples of the true one, after Phorhum (Alldieck et al. 2022).

All lengths are in radii of the unit sphere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from fastavatar.models.surface import Field


@dataclass(frozen=True)
class SurfaceWeights:
    """Weights of the terms."""

    surface: float
    """|d| on the surface, at the start."""
    surface_end: float
    """The same after `surface_steps` steps; in between it grows evenly."""
    surface_steps: int
    normal: float
    """1 − cosine between the true normal and the gradient, on the surface."""
    sign: float
    """Binary cross-entropy of inside and outside, off the surface."""
    eikonal: float
    """(|∇d| − 1)² everywhere."""
    color_near: float
    """Mean absolute difference of colours on and closely about the surface."""
    color_far: float
    """The same all over the sphere."""
    projection: float
    """‖(x − d n) − (x − d̂ n̂)‖: where a point falls when it is moved onto the surface."""
    coarse: float
    """Distance of points of the mean head, moved as a whole, from where they lie on the person."""

    def surface_at(self, step: int) -> float:
        """The weight of |d| in a step, counted from 0."""
        share = min(1.0, step / self.surface_steps) if self.surface_steps else 1.0
        return self.surface + share * (self.surface_end - self.surface)


@dataclass(frozen=True)
class Truth:
    """What is known at N points in each of B pictures; the first `near` of the N are near ones."""

    points: Tensor
    """(B, N, 3) metres, head frame."""
    distances: Tensor
    """(B, N) radii, 0 on the surface."""
    normals: Tensor
    """(B, N, 3) unit length."""
    colors: Tensor
    """(B, N, 3) sRGB in 0…1."""
    near: int


def surface_terms(found: Field, gradients: Tensor, sharpness: Tensor, truth: Truth) -> Mapping[str, Tensor]:
    """The terms of the loss, () each, by the names of their weights; `coarse` is the network's own matter.

    `gradients` (B, N, 3) are the derivatives of the distances with respect to the point, which have no unit.
    """
    on = (truth.distances == 0).float()
    off = 1 - on
    inside = (truth.distances < 0).float()
    length = gradients.norm(dim=-1).clamp(min=1e-6)
    normals = gradients / length[..., None]
    sign = functional.binary_cross_entropy_with_logits(-sharpness * found.distances, inside, reduction="none")
    # The points that the two fields move x to differ by this
    apart = truth.distances[..., None] * truth.normals - found.distances[..., None] * normals
    color = (found.colors - truth.colors).abs().mean(-1)
    return {
        "surface": _mean(found.distances.abs(), on),
        "normal": _mean(1 - (normals * truth.normals).sum(-1), on),
        "sign": _mean(sign, off),
        "eikonal": (length - 1).square().mean(),
        "color_near": color[:, : truth.near].mean(),
        "color_far": color[:, truth.near :].mean() if truth.near < color.shape[1] else color.sum() * 0,
        "projection": _mean((apart.square().sum(-1) + 1e-12).sqrt(), off),
    }


def weighted(terms: Mapping[str, Tensor], weights: SurfaceWeights, step: int) -> Tensor:
    """() the sum of the terms with their weights in a step."""
    total = weights.surface_at(step) * terms["surface"]
    for name, term in terms.items():
        if name != "surface":
            total = total + getattr(weights, name) * term
    return total


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
