"""Which part of the head each vertex and triangle of MakeHuman's bust belongs to."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fastavatar.geometry import Array, Bools, Ints
from fastavatar.head import ARKIT_NAMES
from scripts.head.makehuman import MPFB2, Source
from scripts.head.raw import JOINTS, OF_PARTS, PARTS, REGIONS

MASKS = {"ear": "ears", "lips": "lips", "mouth": "inside-mouth"}
"""Regions that MakeHuman's textures mark in UV space."""
LID_MOVES_M = 0.0015
"""Skin that a blink or a squint moves farther than this is eyelid; chosen by eye."""
SOCKETS_UV = (0.16, 0.635)
"""Left of and below this point, MakeHuman's UV map shows the inside of the eyes' sockets."""
TEXTURE = {"sockets": 0.3, "mouth": 0.5, "torso": 0.45, "lips": 1.3, "eyes": 2.0}
"""Texels along a metre of a region, in proportion to the face; an island takes the mean of its triangles."""


@dataclass(frozen=True)
class Surface:
    """The average person's bust."""

    mean: Array
    """(V, 3) metres."""
    faces: Ints
    """(F, 3)"""
    parts: Ints
    """(F,) index into `PARTS`."""
    uv: Array
    """(U, 2) MakeHuman's own map."""
    uv_faces: Ints
    """(F, 3)"""

    def of_part(self, name: str) -> Ints:
        """The vertices of a part."""
        return np.unique(self.faces[self.parts == PARTS.index(name)])


def with_gums(mean: Array, faces: Ints, parts: Ints) -> Ints:
    """Parts (F,) in which the far row of each row of teeth is `gums`.

    MakeHuman's teeth are strips of three rows of quads: gum and crown outside, and the crown's inside.
    """
    found = parts.copy()
    for name, sign in (("upper_teeth", 1), ("lower_teeth", -1)):
        here = np.flatnonzero(parts == PARTS.index(name))
        middle = mean[faces[here]].mean(1)
        # The bite's plane rises toward the back, so heights are measured from a line through the rows
        line = np.polyfit(middle[:, 2], middle[:, 1], 1)
        above = sign * (middle[:, 1] - np.polyval(line, middle[:, 2]))
        found[here[np.argsort(-above)[: len(here) // 3]]] = PARTS.index("gums")
    return found


def regions_of(surface: Surface, source: Source, weights: Array, actions: Array) -> Ints:
    """(V,) index into `REGIONS`, by the strongest joint, MakeHuman's masks and what lids move.

    `weights` (V, 5) are the shares of the joints, `actions` (52, V, 3) the expressions.
    """
    torso = 1 - weights.sum(1)
    strongest = np.column_stack([weights[:, 0], weights[:, 1:3].sum(1), torso]).argmax(1)
    regions = np.array([REGIONS.index(name) for name in ("neck", "skull", "torso")])[strongest]
    uv = np.zeros((len(regions), 2))
    uv[surface.faces] = surface.uv[surface.uv_faces]
    marked = {region: _marked(source, mask, uv) for region, mask in MASKS.items()}
    on_jaw = weights[:, JOINTS.index("jaw")] > weights[:, JOINTS.index("head")]
    mouth_corners = surface.mean[marked["lips"] & ~on_jaw, 1].min()
    skull = regions == REGIONS.index("skull")
    regions[skull & (surface.mean[:, 1] < mouth_corners)] = REGIONS.index("jaw")
    lids = [
        ARKIT_NAMES.index(f"eye{what}{side}") for what in ("Blink", "Squint") for side in ("Left", "Right")
    ]
    moved = np.linalg.norm(actions[lids], axis=2).max(0)
    regions[skull & (moved > LID_MOVES_M)] = REGIONS.index("eyelids")
    for region, where in marked.items():
        regions[where] = REGIONS.index(region)
    regions[(uv < SOCKETS_UV).all(1)] = REGIONS.index("sockets")
    for part, name in OF_PARTS.items():
        regions[surface.of_part(part)] = REGIONS.index(name)
    return np.asarray(regions)


def texture_density(regions: Ints, faces: Ints) -> Array:
    """(F,) texels along a metre, in proportion to the face."""
    density = np.array([TEXTURE.get(name, 1.0) for name in REGIONS])
    return np.asarray(density[regions[faces]].mean(1))


def _marked(source: Source, mask: str, uv: Array) -> Bools:
    """Which (V,) of the points `uv` (V, 2) a mask is white at."""
    with Image.open(io.BytesIO(source.archive.read(f"{MPFB2}textures/mpfb_{mask}.jpg"))) as image:
        marks = np.asarray(image.convert("L"))
    column, row = np.clip((uv * [1, -1] + [0, 1]) * len(marks), 0, len(marks) - 1).astype(int).T
    return np.asarray(marks[row, column] > 127)
