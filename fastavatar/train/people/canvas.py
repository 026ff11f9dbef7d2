"""Where the texels of the parametric head lie on the average head, and what grows or is painted there.

All paint and all hair belong to places on the average head, so they move with every person's surface.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from fastavatar.geometry import Array, Bools, Ints
from fastavatar.head import ARKIT_NAMES, ParametricHead, load_head
from fastavatar.meshing import rasterise_layout


@dataclass(frozen=True)
class Canvas:
    """The used texels of a texture of the parametric head, N of them."""

    size: int
    """Side of the texture in pixels."""
    texels: Ints
    """(N,) index into the texture's rows × columns; row 0 lies at v = 1."""
    places: Array
    """(N, 3) on the average head, metres."""
    parts: Ints
    """(N,) index into the head's `part_names`."""
    lips: Array
    """(N,) 1 on the lips, 0 elsewhere, and between over the triangles around them."""
    inside: Array
    """(N,) the same for the inside of the mouth."""
    lids: Array
    """(N,) the same for the eyelids."""

    def picture(self, values: Array, empty: float = 0.0) -> Array:
        """The texture (size, size, C) of `values` (N, C) at the texels."""
        whole = np.full((self.size**2, values.shape[1]), empty, np.float32)
        whole[self.texels] = values
        return np.asarray(whole.reshape(self.size, self.size, -1), np.float64)


@cache
def head_canvas(size: int) -> Canvas:
    """The texels of a texture of `size`² pixels, seams padded by 3 pixels."""
    head = load_head()
    layout = rasterise_layout(head.uv, head.uv_faces, size, rim_px=3.0)
    texels = np.flatnonzero(layout.used)
    face, weights = layout.face.ravel()[texels], layout.weights.reshape(-1, 3)[texels].astype(np.float64)

    def at(values: Array) -> Array:
        return np.asarray(np.einsum("nk,nk...->n...", weights, values[head.faces[face]]))

    shares = [at(head.region(name).astype(float)) for name in ("lips", "mouth", "eyelids")]
    return Canvas(size, texels, at(head.mean), head.parts[face], *shares)


@cache
def brow_curves() -> tuple[Array, Array]:
    """Height of the left and the right brow as parabolas over |x|, coefficients (3,) for `numpy.polyval`.

    The brows are where the head's expressions lower them.
    """
    head = load_head()

    def curve(side: str) -> Array:
        moved = np.linalg.norm(head.actions[ARKIT_NAMES.index(f"browDown{side}")], axis=1)
        there = moved > 0.15 * moved.max()
        return np.polyfit(np.abs(head.mean[there, 0]), head.mean[there, 1], 2, w=moved[there])

    return curve("Left"), curve("Right")


@cache
def eye_centers() -> Array:
    """(2, 3) centres of the left and the right eye of the average head, metres."""
    head = load_head()
    return np.asarray(head.joints[[head.joint_names.index(f"{side}_eye") for side in ("left", "right")]])


def scalp(places: Array, height_m: float) -> Array:
    """How far inside the hairline places (N, 3) on the average head lie, metres; negative outside.

    The hairline runs `height_m` above the eyes across the forehead, then down before the ears, around them
    and along the nape.
    """
    eye_y = eye_centers()[0, 1]
    above, x = places[:, 1] - eye_y, np.abs(places[:, 0])
    behind = np.maximum(0.0, _FOREHEAD_Z - places[:, 2] - 0.035)
    front = above - height_m + 0.9 * behind  # the hairline falls towards the temples
    sideburn = np.where(places[:, 2] > -0.04, above + 0.012, 1.0)
    nape = above + 0.078
    ear = np.hypot((places[:, 2] + 0.056) / 0.024, (above + 0.022) / 0.041) - 1
    clear_of_ear = np.where(x > 0.055, 0.02 * ear, 1.0)
    return np.asarray(np.minimum.reduce([front, sideburn, nape, clear_of_ear]))


_FOREHEAD_Z = 0.068
"""Depth of the average head's forehead between the brows, metres."""


def beard_area(places: Array) -> Array:
    """How far inside the area of a full beard places (N, 3) lie, metres; negative outside.

    Lips are not taken out; `Canvas.lips` says where they are.
    """
    x, y, z = np.abs(places[:, 0]), places[:, 1], places[:, 2]
    cheek = -0.030 + 0.55 * np.maximum(0.0, x - 0.022) - y  # rises from the mouth's corner to the ear
    moustache = np.minimum(-0.0225 - y, 0.034 - x)
    ears, neck = z + 0.043, y + 0.118
    return np.asarray(np.minimum.reduce([np.maximum(cheek, moustache), ears, neck]))


def skin_faces(head: ParametricHead) -> Bools:
    """(F,) triangles of outer skin: not the inside of the mouth nor the sockets behind the eyes."""
    hidden = head.region("mouth", "sockets")[head.faces].all(1)
    return np.asarray(head.part("skin") & ~hidden)
