"""Colours of what a photo hardly shows: teeth behind lips, and the eyeballs behind the lids."""

from dataclasses import replace

import numpy as np
import torch

from fastavatar.core import Avatar, decode_colors, encode_colors
from fastavatar.geometry import Array, Bools
from fastavatar.head import load_head

TEETH = np.array([0.80, 0.76, 0.68])
DARKEST = 0.25
"""Enamel, for teeth whose colours are those of gums and lips, and what is left of it at the last molar, which
little light reaches; chosen by eye."""
LEAST_TOOTH, LEAST_BLUE = 0.45, 0.65
"""Teeth that a photo shows are at least this bright in green, and have so much blue to red."""
WHITE_FROM_DEG, WHITE_TO_DEG = 50.0, 70.0
"""Angles from straight ahead between which an eyeball becomes the white that the photo shows of it."""
WHITE_QUANTILE = 0.85
"""Quantile of the brightness that a photo shows of an eyeball, above which it counts as its white."""


def with_plausible_insides(avatar: Avatar) -> Avatar:
    """The avatar with Gaussians on teeth and eyeballs of plausible colours where no photo shows them.

    It follows the parametric head. Colours that a photo shows stay.
    """
    assert avatar.mesh is not None and avatar.binding is not None
    head, corners = load_head(), avatar.binding.corners.numpy()
    colors = decode_colors(avatar.gaussians.sh[:, 0].detach().cpu().double()).numpy().copy()

    def on(*parts: str) -> Bools:
        """Which Gaussians (N,) lie on any of the parts."""
        vertices = np.unique(head.faces[head.part(*parts)])
        return np.asarray(np.isin(corners, vertices).all(1))

    teeth = np.flatnonzero(on("upper_teeth", "lower_teeth"))
    red, green, blue = colors[teeth].T
    unlike = (green < LEAST_TOOTH) | (blue < LEAST_BLUE * red)
    if len(teeth):
        depth = avatar.gaussians.means[teeth, 2].detach().cpu().double().numpy()
        front = (depth - depth.min()) / max(float(np.ptp(depth)), 1e-6)
        shaded = TEETH * (DARKEST + (1 - DARKEST) * front**3)[:, None]
        colors[teeth] = np.where(unlike[:, None], shaded, colors[teeth])
    for part in ("left_eye", "right_eye"):
        eye = np.flatnonzero(on(part))
        if len(eye):
            places = avatar.mesh.vertices[np.unique(head.faces[head.part(part)])].double().numpy()
            colors[eye] = _eyeball(
                colors[eye], avatar.gaussians.means[eye].cpu().double().numpy() - places.mean(0)
            )
    sh = avatar.gaussians.sh.clone()
    sh[:, 0] = encode_colors(torch.from_numpy(colors)).to(sh)
    return replace(avatar, gaussians=replace(avatar.gaussians, sh=sh))


def _eyeball(colors: Array, places: Array) -> Array:
    """Colours (N, 3) of an eyeball, white behind the lids, from those at places (N, 3) about its centre."""
    angle = np.degrees(np.arctan2(np.linalg.norm(places[:, :2], axis=1), places[:, 2]))
    shown = angle < WHITE_FROM_DEG
    if not shown.any():
        return colors
    brightness = colors[shown].mean(1)
    bright = brightness >= np.quantile(brightness, WHITE_QUANTILE)
    white = colors[shown][bright].mean(0)
    share = np.clip((angle - WHITE_FROM_DEG) / (WHITE_TO_DEG - WHITE_FROM_DEG), 0, 1)[:, None]
    return np.asarray((1 - share) * colors + share * white)
