"""The average parametric head as this model uses it: coarse regions, and a surface closed below."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from fastavatar.geometry import Array, Ints, boundary_loops
from fastavatar.head import ParametricHead, load_head

FACE, SKULL, EAR, NECK, TORSO, JAW, EYE, TEETH, MOUTH, SOCKET = range(10)
"""What `HeadTemplate.region` holds."""
_REGIONS = {
    "face": FACE,
    "lips": FACE,
    "eyelids": FACE,
    "skull": SKULL,
    "ear": EAR,
    "neck": NECK,
    "torso": TORSO,
    "jaw": JAW,
    "eyes": EYE,
    "teeth": TEETH,
    "mouth": MOUTH,
    "gums": MOUTH,
    "tongue": MOUTH,
    "sockets": SOCKET,
    "lashes": SOCKET,
}
_HAIR_ABOVE_M, _HAIR_BEHIND_M = -0.002, -0.082
"""Height of the ears' middle, and depth of their back, in the average head: skin below is no skull."""


@dataclass(frozen=True)
class HeadTemplate:
    """An average adult head in the head frame."""

    vertices: Array
    """(V, 3) metres, those of the parametric head in its order."""
    faces: Ints
    """(F, 3) triangles that are drawn, counter-clockwise from outside: all but the lashes, closed below."""
    skin: Ints
    """(G, 3) those of them that are skin, as one connected surface."""
    edges: Ints
    """(E, 2) the skin's edges."""
    mirror: Ints
    """(V,) the vertex at the same place on the other half."""
    region: Ints
    """(V,) `FACE`, `SKULL` and so on."""


@cache
def load_template() -> HeadTemplate:
    """The template, made from the parametric head that ships with the package."""
    head = load_head()
    skin = head.faces[head.part("skin")]
    corners = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    return HeadTemplate(
        head.mean,
        np.concatenate([head.faces[~head.part("left_lashes", "right_lashes")], closing_triangles(head)]),
        skin,
        np.unique(np.sort(corners, 1), axis=0),
        head.mirror,
        _regions(head),
    )


def _regions(head: ParametricHead) -> Ints:
    """(V,) `FACE`, `SKULL` and so on, of which the skull is where hair grows."""
    region = np.array([_REGIONS[name] for name in head.region_names])[head.regions]
    below_ears = (head.mean[:, 1] < _HAIR_ABOVE_M) & (head.mean[:, 2] > _HAIR_BEHIND_M)
    region[(region == SKULL) & below_ears] = JAW
    return np.where(head.mean[:, 0] <= 0, region, region[head.mirror])


def closing_triangles(head: ParametricHead) -> Ints:
    """Triangles (L, 3) that close the skin where torso and arms end, without further vertices.

    Each opening is nearly convex, so a strip that zigzags from its front to its back covers it.
    """
    strips = []
    for loop in boundary_loops(head.faces[head.part("skin")]):
        loop = np.roll(loop, -int(head.mean[loop, 2].argmax()))
        size = len(loop)
        # From the front: one step along the one side, one along the other
        zigzag = [loop[(step + 1) // 2 * (1 if step % 2 else -1) % size] for step in range(size)]
        strip = np.array([zigzag[k : k + 3][:: 1 if k % 2 else -1] for k in range(size - 2)])
        a, b, c = (head.mean[strip[:, k]] for k in range(3))
        faces_up = np.cross(b - a, c - a)[:, 1].sum() > 0
        strips.append(strip[:, ::-1] if faces_up else strip)
    return np.concatenate(strips)
