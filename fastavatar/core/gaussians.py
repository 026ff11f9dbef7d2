"""Gaussian splats: the type that models predict, renderers draw and formats store."""

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.geometry import (
    multiply_quaternions_wxyz,
    quaternion_wxyz_from_matrix,
    require_shape,
    spherical_harmonics,
)


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians in the head frame, with raw parameters as a PLY stores them.

    Raises `InputError`, with the shape found, when the tensors' shapes do not match.
    """

    means: Tensor
    """(N, 3) centres in metres."""
    quats_wxyz: Tensor
    """(N, 4) rotations from each Gaussian's own axes to the head frame; normalised when used."""
    log_scales: Tensor
    """(N, 3) natural logarithms of the standard deviations in metres."""
    opacity_logits: Tensor
    """(N,) logits of the opacities."""
    sh: Tensor
    """(N, K, 3) spherical-harmonic coefficients of sRGB − 0.5, K = (degree + 1)²."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        require_shape("means", self.means, None, 3)
        count = len(self.means)
        require_shape("quats_wxyz", self.quats_wxyz, count, 4)
        require_shape("log_scales", self.log_scales, count, 3)
        require_shape("opacity_logits", self.opacity_logits, count)
        require_shape("sh", self.sh, count, None, 3)
        spherical_harmonics.degree_of(self.sh.shape[1])

    def __len__(self) -> int:
        """Number of Gaussians, N."""
        return len(self.means)

    @property
    def scales(self) -> Tensor:
        """(N, 3) standard deviations in metres."""
        return decode_scales(self.log_scales)

    @property
    def opacities(self) -> Tensor:
        """(N,) opacities in (0, 1)."""
        return decode_opacities(self.opacity_logits)

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 3."""
        return spherical_harmonics.degree_of(self.sh.shape[1])

    def tensors(self) -> dict[str, Tensor]:
        """The five parameters by name, in order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Gaussians":
        """The same Gaussians on another device or in another floating-point type."""
        return Gaussians(**{name: value.to(device, dtype) for name, value in self.tensors().items()})

    def detach(self) -> "Gaussians":
        """The same Gaussians, detached from the gradient graph."""
        return Gaussians(**{name: value.detach() for name, value in self.tensors().items()})

    def subset(self, index: Tensor) -> "Gaussians":
        """The Gaussians that `index` selects: (M,) integers or (N,) booleans."""
        return Gaussians(**{name: value[index] for name, value in self.tensors().items()})

    def rotated(self, rotation: Tensor) -> "Gaussians":
        """The Gaussians turned about the origin by `rotation` (3, 3): means, axes and every SH band."""
        require_shape("rotation", rotation, 3, 3)
        turn = rotation.to(self.means)
        turn_wxyz = quaternion_wxyz_from_matrix(turn).expand_as(self.quats_wxyz)
        return Gaussians(
            self.means @ turn.T,
            multiply_quaternions_wxyz(turn_wxyz, self.quats_wxyz),
            self.log_scales,
            self.opacity_logits,
            spherical_harmonics.rotate(self.sh, rotation),
        )

    def transformed(self, scale: float, rotation: Tensor, translation: Tensor) -> "Gaussians":
        """The Gaussians under x → scale · rotation x + translation.

        `rotation` (3, 3), `translation` (3,) in metres. Raises `InputError` unless `scale` is positive.
        """
        require_shape("translation", translation, 3)
        if not scale > 0:
            raise InputError(f"scale must be positive, found {scale}")
        turned = self.rotated(rotation)
        means = scale * turned.means + translation.to(turned.means)
        return replace(turned, means=means, log_scales=turned.log_scales + math.log(scale))

    def require_finite(self) -> None:
        """Raise `InputError` with the first parameter that is not finite and the index of its Gaussian."""
        for name, value in self.tensors().items():
            finite = torch.isfinite(value)
            if not bool(finite.all()):
                first = int((~finite).nonzero()[0, 0])
                raise InputError(f"{name} of Gaussian {first} is not finite: {value[first].tolist()}")


def concatenate(parts: list[Gaussians]) -> Gaussians:
    """All Gaussians of `parts`, which share one SH degree, in order."""
    names = parts[0].tensors()
    return Gaussians(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def encode_scales(scales: Tensor) -> Tensor:
    """Standard deviations in metres → natural logarithms; any shape."""
    return scales.log()


def decode_scales(log_scales: Tensor) -> Tensor:
    """Natural logarithms → standard deviations in metres; any shape."""
    return log_scales.exp()


def encode_opacities(opacities: Tensor) -> Tensor:
    """Opacities in (0, 1) → logits; any shape."""
    return torch.logit(opacities)


def decode_opacities(opacity_logits: Tensor) -> Tensor:
    """Logits → opacities in (0, 1); any shape."""
    return torch.sigmoid(opacity_logits)


def encode_colors(colors: Tensor) -> Tensor:
    """Colours (..., 3), sRGB in 0…1 → coefficients (..., 3) of the constant SH band."""
    return (colors - 0.5) / spherical_harmonics.C0


def decode_colors(sh0: Tensor) -> Tensor:
    """Coefficients (..., 3) of the constant SH band → sRGB colours (..., 3), not clamped."""
    return sh0 * spherical_harmonics.C0 + 0.5
