"""The inside of the mouth, which a photo of closed lips does not show: teeth, gums, tongue and cavity."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Gaussians, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry import (
    Array,
    Bools,
    quaternion_wxyz_from_matrix,
    sample_triangles,
    unit_vectors,
    vertex_normals,
)
from fastavatar.head import ParametricHead
from fastavatar.rig import MovedSurface

SPACING_M = {"teeth": 0.0012, "gums": 0.0018, "tongue": 0.0024, "mouth": 0.0030}
"""Distances between discs: teeth have edges, the cavity has none."""
WIDTH = 0.75
"""Standard deviation of a disc in spacings: neighbours overlap without holes."""
THICKNESS = 0.1
"""Of a disc, in its widths."""
COLORS = {
    "teeth": (0.86, 0.82, 0.74),
    "gums": (0.62, 0.34, 0.33),
    "tongue": (0.66, 0.37, 0.36),
    "mouth": (0.42, 0.20, 0.19),
}
"""sRGB in the light of a face whose skin is as bright as `LIT_SKIN`; chosen by eye."""
LIT_SKIN, LIGHTS = 0.6, (0.65, 1.1)
"""Brightness of well-lit skin, and how much darker or brighter a mouth may be for the skin's sake: whether skin
is dark or hardly lit, a photo does not say."""
DARKENS_M = 0.022
"""Depth behind the lips at which light has fallen to 1/e; chosen by eye."""
PARTED_M = (0.0004, 0.0025)
"""Lips that part by the first show nothing yet, by the second all that lies behind them."""
CLOSED_OPACITY, OPEN_OPACITY = 1e-4, 0.99
"""Renderers leave out what is fainter than 1/255."""
UPPER_LIP, LOWER_LIP = (82, 13, 312), (178, 15, 402)
"""Landmarks across the middle of the mouth."""


@dataclass(frozen=True)
class Mouth:
    """The Gaussians inside of a mouth and what opens it."""

    first: int
    """Index of the first of them; they are the last of all."""
    upper: Tensor
    """(U,) vertices on the edge of the upper lip, in the middle."""
    lower: Tensor
    """(U,) those opposite, on the lower lip."""
    down: Tensor
    """(3,) unit vector from upper to lower lip."""
    tongue: int
    """Index of `tongueOut` among the weights."""

    def opened(self, posed: Gaussians, surface: MovedSurface, weights: Tensor) -> Gaussians:
        """The head with its inside as visible as the lips are parted beyond what they are at rest."""
        gap_m = ((surface.offsets[self.lower] - surface.offsets[self.upper]) @ self.down).mean()
        start, end = PARTED_M
        share = ((gap_m - start) / (end - start)).clamp(0, 1)
        share = torch.maximum(share, weights[self.tongue])
        smooth = share * share * (3 - 2 * share)
        logit = encode_opacities(CLOSED_OPACITY + (OPEN_OPACITY - CLOSED_OPACITY) * smooth)
        inside = logit.expand(len(posed) - self.first)
        return replace(posed, opacity_logits=torch.cat([posed.opacity_logits[: self.first], inside]))


@dataclass(frozen=True)
class Inside:
    """What lies inside of the mouth, on the surface of the parametric head."""

    gaussians: Gaussians
    corners: Tensor
    """(N, 3) vertices of the triangle that each lies on."""
    weights: Tensor
    """(N, 3) barycentric weights."""


def inside_of_mouth(head: ParametricHead, vertices: Array, skin: Array) -> Inside:
    """Teeth, gums, tongue and cavity of a head with `vertices` (V, 3) in metres and a colour `skin` (3,).

    They are transparent, as they are at rest.
    """
    normals = vertex_normals(vertices, head.faces)
    light = np.clip(skin.mean() / LIT_SKIN, *LIGHTS)
    lips_z = float(vertices[head.region("lips"), 2].max())
    parts: list[tuple[Gaussians, Array, Array]] = []
    for name, spacing_m in SPACING_M.items():
        faces = head.faces[inside_faces(head, name)]
        owner, weights = sample_triangles(vertices, faces, spacing_m)
        corners = faces[owner]
        means, outward = (np.einsum("nk,nkc->nc", weights, each[corners]) for each in (vertices, normals))
        depth = np.maximum(lips_z - means[:, 2] - 0.01, 0)
        colors = light * np.array(COLORS[name]) * np.exp(-depth / DARKENS_M)[:, None]
        parts.append((_discs(means, unit_vectors(outward), colors, spacing_m), corners, weights))
    gaussians, corners, weights = zip(*parts, strict=True)
    tensors = {
        name: torch.cat([getattr(each, name) for each in gaussians]) for name in gaussians[0].tensors()
    }
    return Inside(
        Gaussians(**tensors),
        torch.from_numpy(np.concatenate(corners)),
        torch.from_numpy(np.concatenate(weights)).float(),
    )


def inside_faces(head: ParametricHead, name: str) -> Bools:
    """Which triangles (F,) are `teeth`, `gums`, `tongue`, or the `mouth`'s cavity with the lips' inside."""
    if name == "teeth":
        return head.part("upper_teeth", "lower_teeth")
    if name == "mouth":
        return np.asarray(head.region("mouth")[head.faces].any(1) & head.part("skin"))
    return head.part(name)


def mouth_of(head: ParametricHead, vertices: Array, first: int, tongue: int) -> Mouth:
    """What opens the mouth of a head with `vertices` (V, 3) whose inside begins with Gaussian `first`."""
    places = head.places
    corner = places.weights.argmax(1)
    upper, lower = (places.corners[list(lip), corner[list(lip)]] for lip in (UPPER_LIP, LOWER_LIP))
    down = (vertices[lower] - vertices[upper]).mean(0)
    return Mouth(
        first,
        torch.from_numpy(upper),
        torch.from_numpy(lower),
        torch.from_numpy(down / np.linalg.norm(down)).float(),
        tongue,
    )


def _discs(means: Array, normals: Array, colors: Array, spacing_m: float) -> Gaussians:
    """Thin transparent discs at means (N, 3), facing along normals (N, 3)."""
    axis = np.eye(3)[np.abs(normals).argmin(1)]
    first = unit_vectors(np.cross(normals, axis))
    frames = np.stack([first, np.cross(normals, first), normals], 2)
    width = WIDTH * spacing_m
    scales = torch.tensor([width, width, THICKNESS * width]).expand(len(means), 3)
    return Gaussians(
        torch.from_numpy(means).float(),
        quaternion_wxyz_from_matrix(torch.from_numpy(frames)).float(),
        encode_scales(scales),
        encode_opacities(torch.full((len(means),), CLOSED_OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )
