"""What a rasteriser returns, and how it is laid over the background."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Compositing = Literal[
    "classic",  # Σ colour·weight + background·(1 − alpha)
    "published",  # (Σ colour·weight)·alpha + background·(1 − alpha), as the published networks were trained
]


@dataclass(frozen=True)
class Render:
    """A view of the Gaussians, differentiable like every tensor."""

    image: Tensor
    """(H, W, 3) sRGB over the background, 0…1 wherever the Gaussians' colours are; not clamped above."""
    alpha: Tensor
    """(H, W) how much of each pixel the Gaussians cover, in [0, 1)."""
    depth: Tensor
    """(H, W) mean depth along the optical axis, weighted as the colours are, metres; 0 where alpha is 0."""


def lay_over(color: Tensor, alpha: Tensor, background: Tensor, compositing: Compositing) -> Tensor:
    """Weighted colours (H, W, 3) and alpha (H, W) over `background` (3,) → image (H, W, 3)."""
    coverage = alpha[..., None]
    foreground = color * coverage if compositing == "published" else color
    return foreground + background * (1 - coverage)
