"""What a photo does not show and a movement uncovers: a mouth's inside, and the skin in the fold of a lid."""

from collections.abc import Sequence, Set
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
from fastavatar.rig import CLOSED_OPACITY, FittedHead, tangents_of

SPACING_M = {"teeth": 0.0012, "gums": 0.0018, "tongue": 0.0022, "mouth": 0.0030, "lid": 0.0012}
"""Distances between discs: teeth have edges, the cavity has none."""
WIDTH = 0.75
"""Standard deviation of a disc in spacings: neighbours overlap without holes."""
THICKNESS = 0.1
"""Standard deviation across a disc, as a fraction of that along it."""
COLORS = {
    "teeth": (0.90, 0.87, 0.80),
    "gums": (0.62, 0.34, 0.33),
    "tongue": (0.76, 0.45, 0.44),
    "mouth": (0.42, 0.20, 0.19),
}
"""sRGB in the light of a face whose skin is as bright as `LIT_SKIN`; chosen by eye."""
LIT_SKIN, LIGHTS = 0.6, (0.65, 1.1)
"""Brightness of well-lit skin, and how much darker or brighter a mouth may be for the skin's sake: a photo
does not say whether skin is dark or hardly lit."""
DARKENS_M, DARKEST = 0.025, 0.3
"""Depth behind the teeth at which light has fallen to 1/e, and what is left of it farther back; by eye."""
FRONT_M = 0.016
"""Depth behind the lips up to which nothing is darker."""
LIFT_M = 0.0004
"""Height of the discs above the surface: before those that a model may have put there without seeing it."""
BEHIND_M = 0.002
"""What lies farther than this behind the surface seen at rest is hidden; chosen by eye."""
OWN_BEHIND_M = 0.0015
"""The same for what the model put there."""
UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (263, 466, 388, 387, 386, 385, 384, 398, 362))
"""Landmarks along the edge of the right and of the left upper lid."""
LASHES_M = 0.0015
"""Width of an upper lid's edge with its lashes."""
LID_FALLS_M = 0.0003
"""Skin of an eyelid that a blink brings down by more than this may have been in the fold."""
LID_NEIGHBOURS, LID_SHADE = 64, 0.6
"""A lid has this quantile of the colours of so many splats around it: of skin, not of lashes and brows."""
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


def hidden_parts(
    head: ParametricHead, fitted: FittedHead, means: Array, colors: Array, brought: Set[str]
) -> Hidden:
    """Discs inside of the mouth, but for parts that are `brought`, and on the upper lids.

    What is seen of the mouth at rest, the tongue apart, has none. `means` (S, 3) and `colors` (S, 3) are the
    splats of the head's skin.
    """
    vertices, scale = fitted.vertices, fitted.scale
    light = np.clip(np.median(colors, 0).mean() / LIT_SKIN, *LIGHTS)
    lips = vertices[head.region("lips")]
    parts = []
    for name, color in COLORS.items():
        if name in brought:
            continue
        kind = TONGUE if name == "tongue" else MOUTH
        part = _part(fitted, head.faces[_inside(head, name)], SPACING_M[name], kind)
        if name != "tongue":
            part = part.subset(~fitted.view.sees(part.means, BEHIND_M * scale))
        depth = np.maximum((lips[:, 2].max() - part.means[:, 2]) / scale - FRONT_M, 0)
        if name == "tongue":
            depth *= 0.2  # it comes forward to be seen
        shade = np.maximum(np.exp(-depth / DARKENS_M), DARKEST)
        parts.append((part, light * shade[:, None] * color))
    for side, kind in (("Left", LEFT_LID), ("Right", RIGHT_LID)):
        part = _part(fitted, head.faces[_lid(head, side)], SPACING_M["lid"], kind)
        part = part.subset(~_near_lashes(head, fitted, part.means))
        parts.append((part, lid_colors(part.means, means, colors)))
    return _hidden(parts)


def lid_colors(places: Array, means: Array, colors: Array) -> Array:
    """Colours (N, 3) of the skin of lids at `places` (N, 3), from splats (S, 3) of `colors` (S, 3)."""
    around = cKDTree(means).query(places, k=min(LID_NEIGHBOURS, len(means)))[1]
    return np.asarray(np.quantile(colors[around], LID_SHADE, 1))


def hidden_kinds(
    head: ParametricHead, fitted: FittedHead, corners: Tensor, means: Array, brought: Set[str]
) -> Tensor:
    """The kind (N,) of Gaussians in places of hidden parts that are not seen at rest; −1 for all others.

    They are bound to vertices `corners` (N, 3) and lie at `means` (N, 3). What is seen on a tongue that is
    not brought counts, too.
    """
    replaced = [name for name in COLORS if name not in brought]
    places = {
        MOUTH: head.region(*(name for name in replaced if name != "tongue")),
        TONGUE: head.region(*(name for name in replaced if name == "tongue")),
        LEFT_LID: falls_with_blink(head, "Left"),
        RIGHT_LID: falls_with_blink(head, "Right"),
    }
    kinds = np.full(len(means), -1)
    for kind, vertices in places.items():
        kinds[vertices[corners.numpy()].all(1)] = kind
    seen = fitted.view.sees(means, OWN_BEHIND_M * fitted.scale)
    kinds[seen & (kinds == MOUTH)] = -1
    kinds[_near_lashes(head, fitted, means)] = -1
    return torch.from_numpy(kinds)


def _inside(head: ParametricHead, name: str) -> Bools:
    """Which triangles (F,) are `teeth`, `gums`, `tongue`, or the `mouth`'s cavity with the lips' inside."""
    if name == "teeth":
        return head.part("upper_teeth", "lower_teeth")
    if name == "mouth":
        return np.asarray(head.region("mouth")[head.faces].any(1) & head.part("skin"))
    return head.part(name)


def _lid(head: ParametricHead, side: str) -> Bools:
    """Which triangles (F,) of the skin a blink of `Left` or `Right` brings down."""
    lid = falls_with_blink(head, side) & head.region("eyelids")
    # The sockets behind the lids are no skin; beyond what moves the skin stretches
    skin = head.part("skin") & ~head.region("sockets")[head.faces].any(1)
    around = np.isin(np.arange(len(lid)), head.faces[lid[head.faces].any(1) & skin])
    return np.asarray(around[head.faces].any(1) & skin)


def falls_with_blink(head: ParametricHead, side: str) -> Bools:
    """Which vertices (V,) of lids and sockets a blink of `Left` or `Right` brings down."""
    fallen = head.actions[ARKIT_NAMES.index(f"eyeBlink{side}"), :, 1] < -LID_FALLS_M
    return np.asarray(fallen & head.region("eyelids", "sockets"))


def _near_lashes(head: ParametricHead, fitted: FittedHead, means: Array) -> Bools:
    """Which of `means` (N, 3) lie on the edge of an upper lid, where the photo shows its lashes."""
    return distances_from_lashes(head, fitted.vertices, means) < LASHES_M * fitted.scale


def distances_from_lashes(head: ParametricHead, vertices: Array, points: Array) -> Array:
    """Distances (N,) of `points` (N, 3) from the edges of the upper lids of a head (V, 3)."""
    landmarks = head.places.at(vertices)
    share = np.linspace(0, 1, 8)[:, None, None]
    edges = [landmarks[list(edge)] for edge in UPPER_LIDS]
    dense = [((1 - share) * edge[:-1] + share * edge[1:]).reshape(-1, 3) for edge in edges]
    return np.asarray(cKDTree(np.concatenate(dense)).query(points)[0])


@dataclass(frozen=True)
class _Part:
    corners: Ints
    weights: Array
    means: Array
    normals: Array
    width: float
    kind: int

    def subset(self, index: Bools) -> "_Part":
        """The discs that `index` (N,) selects."""
        return _Part(
            self.corners[index],
            self.weights[index],
            self.means[index],
            self.normals[index],
            self.width,
            self.kind,
        )


def _part(fitted: FittedHead, faces: Ints, spacing_m: float, kind: int) -> _Part:
    owner, weights = sample_triangles(fitted.vertices, faces, spacing_m * fitted.scale)
    corners = faces[owner]
    normals = vertex_normals(fitted.vertices, faces)
    places, outward = (np.einsum("nk,nkc->nc", weights, each[corners]) for each in (fitted.vertices, normals))
    outward = unit_vectors(outward)
    means = places + LIFT_M * fitted.scale * outward
    return _Part(corners, weights, means, outward, WIDTH * spacing_m * fitted.scale, kind)


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
    frames = np.concatenate([tangents_of(part.normals), part.normals[..., None]], 2)
    width, count = part.width, len(part.means)
    return Gaussians(
        torch.from_numpy(part.means).float(),
        quaternion_wxyz_from_matrix(torch.from_numpy(frames)).float(),
        encode_scales(torch.tensor([width, width, THICKNESS * width]).expand(count, 3)),
        encode_opacities(torch.full((count,), CLOSED_OPACITY)),
        encode_colors(torch.from_numpy(colors).float())[:, None],
    )
