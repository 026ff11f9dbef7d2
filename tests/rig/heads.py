"""Heads for tests of the rig: discs on the parametric head, bound to it as an avatar's are."""

import functools

import numpy as np
import torch

from fastavatar.core import (
    Binding,
    Gaussians,
    encode_colors,
    encode_opacities,
    encode_scales,
    frontal_camera,
)
from fastavatar.head import ParametricHead, load_head
from fastavatar.rig import DepthView, FittedHead, Rig
from fastavatar.rig.binding import make_rig


@functools.cache
def parametric() -> ParametricHead:
    return load_head()


def outside() -> torch.Tensor:
    """Triangles (F,) of the skin and the eyes."""
    head = parametric()
    skin = head.part("skin") & ~head.region("mouth", "sockets")[head.faces].any(1)
    return torch.from_numpy(skin | head.part("left_eye", "right_eye"))


@functools.cache
def discs(degree: int = 0) -> tuple[Gaussians, Binding]:
    """About 6,000 Gaussians on the average head, with what they are bound to."""
    mesh = parametric().mesh()
    binding = mesh.subset(outside()).sample(6000)
    used = torch.unique(mesh.faces[outside()])
    binding = Binding(used[binding.corners], binding.weights)
    means = binding.at(mesh.vertices)
    generator = torch.Generator().manual_seed(0)
    count = len(means)
    sh = 0.2 * torch.randn(count, (degree + 1) ** 2, 3, generator=generator)
    sh[:, 0] = encode_colors(torch.tensor([0.8, 0.6, 0.5]))
    gaussians = Gaussians(
        means,
        torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1),
        encode_scales(torch.tensor([0.003, 0.002, 0.0005]).expand(count, 3)),
        encode_opacities(torch.full((count,), 0.95)),
        sh,
    )
    return gaussians, binding


def fitted(expression: dict[str, float] | None = None) -> FittedHead:
    """The average head, which shows an expression."""
    from fastavatar.head import arkit_weights

    head = parametric()
    mesh = head.mesh(expression=expression)
    view = DepthView.of(discs()[0], frontal_camera(1.0, 800.0, 512, 512))
    joints = head.joints_of(head.coefficients(None))
    return FittedHead(
        mesh.vertices.double().numpy(), arkit_weights(expression or {}), joints, np.eye(3), 1.0, view
    )


@functools.cache
def rig(degree: int = 0, from_neutral: bool = False) -> Rig:
    gaussians, binding = discs(degree)
    return make_rig(gaussians, parametric(), fitted(), binding, from_neutral)
