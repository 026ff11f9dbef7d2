"""What a photo does not show and a movement uncovers: a mouth's inside, and the skin in the fold of a lid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.core import Gaussians, encode_colors, encode_opacities, encode_scales
from fastavatar.geometry import (
    Array,
    Bools,
    Ints,
    quaternion_wxyz_from_matrix,
    sample_triangles,
    unit_vectors,
    vertex_normals,
)
from fastavatar.head import ARKIT_NAMES, ParametricHead
from fastavatar.rig import CLOSED_OPACITY

SPACING_M = {"teeth": 0.0012, "gums": 0.0018, "tongue": 0.0022, "mouth": 0.0030, "lid": 0.0012}
"""Distances between discs: teeth have edges, the cavity has none."""
WIDTH = 0.75
"""Standard deviation of a disc in spacings: neighbours overlap without holes."""
THICKNESS = 0.1
"""Of a disc, in its widths."""
COLORS = {
    "teeth": (0.86, 0.82, 0.74),
    "gums": (0.62, 0.34, 0.33),
    "tongue": (0.70, 0.40, 0.39),
    "mouth": (0.42, 0.20, 0.19),
}
"""sRGB in the light of a face whose skin is as bright as `LIT_SKIN`; chosen by eye."""
LIT_SKIN, LIGHTS = 0.6, (0.65, 1.1)
"""Brightness of well-lit skin, and how much darker or brighter a mouth may be for the skin's sake: a photo
does not say whether skin is dark or hardly lit."""
DARKENS_M, DARKEST = 0.022, 0.25
"""Depth behind the teeth at which light has fallen to 1/e, and what is left of it farther back; by eye."""
FRONT_M = 0.01
"""Depth behind the lips up to which nothing is darker."""
LID_MOVES_M = 0.0003
"""Skin of an eyelid that a blink moves farther than this may have been in the fold."""
LID_NEIGHBOURS = 64
"""A lid has the median colour of so many splats around it: of skin, not of lashes and brows."""
MOUTH, TONGUE, LEFT_LID, RIGHT_LID = range(4)
"""What uncovers a disc."""


@dataclass(frozen=True)
class Hidden:
    """Discs on the surface of the parametric head, transparent at rest."""

    gaussians: Gaussians
    corners: Tensor
    """(N, 3) vertices of the triangle that each lies on."""
    weights: Tensor
    """(N, 3) barycentric weights."""
    kinds: Tensor
    """(N,) `MOUTH`, `TONGUE`, `LEFT_LID` or `RIGHT_LID`."""


def hidden_parts(head: ParametricHead, vertices: Array, scale: float, means: Array, colors: Array) -> Hidden:
    """Discs inside of the mouth and on the upper lids of a head with `vertices` (V, 3).

    `means` (S, 3) and `colors` (S, 3) are the splats of its skin, `scale` their unit in metres.
    """
    light = np.clip(np.median(colors, 0).mean() / LIT_SKIN, *LIGHTS)
    lips = vertices[head.region("lips")]
    parts = []
    for name, color in COLORS.items():
        kind = TONGUE if name == "tongue" else MOUTH
        part = _part(vertices, head.faces[_inside(head, name)], SPACING_M[name] * scale, kind)
        depth = np.maximum((lips[:, 2].max() - part.means[:, 2]) / scale - FRONT_M, 0)
        if name == "tongue":
            depth *= 0.5  # it comes forward to be seen
        shade = np.maximum(np.exp(-depth / DARKENS_M), DARKEST)
        parts.append((part, light * shade[:, None] * color))
    tree = cKDTree(means)
    for side, kind in (("Left", LEFT_LID), ("Right", RIGHT_LID)):
        part = _part(vertices, head.faces[_lid(head, side)], SPACING_M["lid"] * scale, kind)
        parts.append(
            (part, np.median(colors[tree.query(part.means, k=min(LID_NEIGHBOURS, len(means)))[1]], 1))
        )
    return _hidden(parts)


def _inside(head: ParametricHead, name: str) -> Bools:
    """Which triangles (F,) are `teeth`, `gums`, `tongue`, or the `mouth`'s cavity with the lips' inside."""
    if name == "teeth":
        return head.part("upper_teeth", "lower_teeth")
    if name == "mouth":
        return np.asarray(head.region("mouth")[head.faces].any(1) & head.part("skin"))
    return head.part(name)


def _lid(head: ParametricHead, side: str) -> Bools:
    """Which triangles (F,) of the skin a blink of `Left` or `Right` brings down."""
    moved = np.linalg.norm(head.actions[ARKIT_NAMES.index(f"eyeBlink{side}")], axis=1) > LID_MOVES_M
    lid = moved & head.region("eyelids")  # the sockets behind are not skin
    skin = head.part("skin") & ~head.region("sockets")[head.faces].any(1)
    around = np.isin(np.arange(len(lid)), head.faces[lid[head.faces].any(1) & skin])
    return np.asarray(around[head.faces].any(1) & skin)


@dataclass(frozen=True)
class _Part:
    corners: Ints
    weights: Array
    means: Array
    normals: Array
    spacing_m: float
    kind: int


def _part(vertices: Array, faces: Ints, spacing_m: float, kind: int) -> _Part:
    owner, weights = sample_triangles(vertices, faces, spacing_m)
    corners = faces[owner]
    normals = vertex_normals(vertices, faces)
    means, outward = (np.einsum("nk,nkc->nc", weights, each[corners]) for each in (vertices, normals))
    return _Part(corners, weights, means, unit_vectors(outward), spacing_m, kind)


def _hidden(parts: Sequence[tuple[_Part, Array]]) -> Hidden:
    discs = [_discs(part, colors) for part, colors in parts]
    tensors = {name: torch.cat([each.tensors()[name] for each in discs]) for name in discs[0].tensors()}
    return Hidden(
        Gaussians(**tensors),
        torch.from_numpy(np.concatenate([part.corners for part, _ in parts])),
        torch.from_numpy(np.concatenate([part.weights for part, _ in parts])).float(),
        torch.cat([torch.full((len(part.means),), part.kind) for part, _ in parts]),
    )


def _discs(part: _Part, colors: Array) -> Gaussians:
    """Thin transparent discs that face along the normals."""
    axis = np.eye(3)[np.abs(part.normals).argmin(1)]
    first = unit_vectors(np.cross(part.normals, axis))
    frames = np.stack([first, np.cross(part.normals, first), part.normals], 2)
    width = WIDTH * part.spacing_m
    count = len(part.means)
    return Gaussians(
        torch.from_numpy(part.means).float(),
        quaternion_wxyz_from_matrix(torch.from_numpy(frames)).float(),
        encode_scales(torch.tensor([width, width, THICKNESS * width]).expand(count, 3)),
        encode_opacities(torch.full((count,), CLOSED_OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )
