"""Skin on upper lids: what a blink stretches has the colour of skin, not of the lashes in the photo."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Binding, Gaussians, Mesh, decode_colors
from fastavatar.geometry import Array, edge_graph, row_mean
from fastavatar.head import ARKIT_NAMES, load_head
from fastavatar.rig import distances_from_lashes, falls_with_blink, lid_colors

LASHES_M = (0.0004, 0.0014)
"""Lashes stay up to the first distance from a lid's edge, from the second on it is skin; chosen by eye."""
STRETCH = (1.3, 2.0)
"""What the photo shows stays where a blink stretches it less than the first, and becomes skin from the second
on; chosen by eye."""
ROUNDS = 2
"""Rounds of smoothing; without them skin ends in teeth along the edges of triangles."""


def with_lids(mesh: Mesh, gaussians: Gaussians, binding: Binding) -> tuple[Mesh, Tensor]:
    """The mesh with skin for the colours of vertices on upper lids, and the share (V,) of skin there.

    The mesh begins with the parametric head and has vertex colours; Gaussians are bound to it. Lids of splats
    that move get the same colour.
    """
    assert mesh.colors is not None
    head, share = load_head(), np.zeros(len(mesh.vertices))
    vertices = mesh.vertices[: len(head.mean)].double().numpy()
    mean = row_mean(edge_graph(head.faces[head.part("skin")], len(vertices)))
    for side in ("Left", "Right"):
        lid = falls_with_blink(head, side) & head.region("eyelids")
        stretch = _stretch(mesh, head.actions[ARKIT_NAMES.index(f"eyeBlink{side}")])
        stretched = np.where(lid, _rising(stretch, *STRETCH), 0.0)
        for _ in range(ROUNDS):
            stretched = mean @ stretched
        share[: len(vertices)] += stretched
    share[: len(vertices)] *= _rising(distances_from_lashes(head, vertices, vertices), *LASHES_M)
    lids = np.flatnonzero(share)
    on_face = head.region("face")
    on_face = np.pad(on_face, (0, len(share) - len(on_face)))[binding.corners.numpy()].all(1)
    skin = gaussians.subset(torch.from_numpy(on_face))
    colors = mesh.colors.clone()
    if len(lids) and len(skin):
        seen = decode_colors(skin.sh[:, 0]).clamp(0, 1).double().numpy()
        colors[lids] = torch.from_numpy(lid_colors(vertices[lids], skin.means.double().numpy(), seen)).float()
    return replace(mesh, colors=colors), torch.from_numpy(share).float()


def _stretch(mesh: Mesh, offsets: Array) -> Array:
    """(H,) the largest factor by which offsets (H, 3) of the head's vertices stretch an edge at each."""
    ends = mesh.edges().numpy()
    ends = ends[(ends < len(offsets)).all(1)]
    before = mesh.vertices.double().numpy()[: len(offsets)]
    apart, moved = (
        np.linalg.norm(at[ends[:, 0]] - at[ends[:, 1]], axis=1) for at in (before, before + offsets)
    )
    found = np.zeros(len(offsets))
    np.maximum.at(found, ends, (moved / np.maximum(apart, 1e-6))[:, None])
    return found


def _rising(values: Array, low: float, high: float) -> Array:
    """From 0 at `low` to 1 at `high`."""
    return np.clip((values - low) / (high - low), 0, 1)
