"""Paints heads for Face Mesh to look at: skin, brows, lips, eyes, lashes, and on some a cap of hair.

Paint belongs to places on the average head, so it moves with every person's surface.
"""

from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.core import Camera
from fastavatar.geometry import Array, Ints, unit_vectors, vertex_normals
from fastavatar.head import ARKIT_NAMES
from fastavatar.rendering import Fragments, rasterise_mesh
from scripts.head.raw import JOINTS, PARTS, REGIONS, RawHead

SKIN, BROW, LIP = np.array([0.80, 0.62, 0.53]), np.array([0.27, 0.19, 0.15]), np.array([0.68, 0.40, 0.38])
WHITE, IRIS, PUPIL = np.array([0.88, 0.87, 0.85]), np.array([0.30, 0.20, 0.13]), np.array([0.05, 0.04, 0.04])
OTHERS = {
    "upper_teeth": (0.90, 0.88, 0.80),
    "lower_teeth": (0.90, 0.88, 0.80),
    "gums": (0.70, 0.36, 0.36),
    "tongue": (0.75, 0.35, 0.35),
    "left_lashes": (0.12, 0.09, 0.08),
    "right_lashes": (0.12, 0.09, 0.08),
}
HAIR = np.array([0.18, 0.12, 0.09])
IRIS_M, PUPIL_M, BROW_M = 0.0058, 0.0022, 0.0045
"""Radii of iris and pupil and half the height of a brow, metres."""
HAIRLINE_M, TEMPLE_SLOPE, TEMPLE_M = 0.075, 1.1, 0.04
"""The hairline: height above the eyes in front; from `TEMPLE_M` behind the brow it falls by the slope."""
LIGHT = unit_vectors(np.array([[0.15, 0.45, 0.9]]))[0]
AMBIENT, DIFFUSE = 0.45, 0.60
BACKGROUND = 0.75


@dataclass(frozen=True)
class Paints:
    """How one head is painted."""

    tone: float = 1.0
    """Factor on the skin's colour."""
    hair: bool = False
    """Whether the scalp has the colour of hair."""


class Painter:
    """Draws people of one head model."""

    def __init__(self, head: RawHead) -> None:
        self.head = head
        self._lips = (head.regions == REGIONS.index("lips")).astype(float)
        self._brows = [self._brow(side) for side in ("Left", "Right")]

    def _brow(self, side: str) -> Array:
        """Height of a brow over the distance from the midplane: a parabola through what lowers it."""
        head = self.head
        moved = np.linalg.norm(head.actions[ARKIT_NAMES.index(f"browDown{side}")], axis=1)
        there = moved > 0.15 * moved.max()
        return np.polyfit(np.abs(head.mean[there, 0]), head.mean[there, 1], 2, w=moved[there])

    def picture(self, vertices: Array, seen: Fragments, paints: Paints) -> Array:
        """The picture (H, W, 3) in 0…1 of `vertices` (V, 3) as `seen`."""
        head, where = self.head, seen.hit
        corners = head.faces[seen.face[where]]
        weights = seen.weights[where]

        def at(values: Array) -> Array:
            return np.asarray(np.einsum("nk,nk...->n...", weights, values[corners]))

        colors = self._colors(at(head.mean), head.parts[seen.face[where]], at(self._lips), paints)
        normals = unit_vectors(at(vertex_normals(vertices, head.faces)))
        shade = AMBIENT + DIFFUSE * np.clip(normals @ LIGHT, 0, 1)
        image = np.full((*seen.face.shape, 3), BACKGROUND)
        image[where] = np.clip(colors * shade[:, None], 0, 1)
        return image

    def _colors(self, places: Array, parts: Ints, lips: Array, paints: Paints) -> Array:
        """Colours (N, 3) of places (N, 3) on the average head."""
        colors = paints.tone * (SKIN + lips[:, None] * (LIP - SKIN))
        eyes = self.head.joints[[JOINTS.index("left_eye"), JOINTS.index("right_eye")]]
        above, x = places[:, 1] - eyes[0, 1], np.abs(places[:, 0])
        skin = parts == PARTS.index("skin")
        for brow, left in zip(self._brows, (True, False), strict=True):
            half = BROW_M * np.clip((0.056 - x) / 0.02, 0.35, 1)
            on = (
                skin
                & ((places[:, 0] > 0) == left)
                & (x > 0.011)
                & (x < 0.052)
                & (places[:, 2] > eyes[0, 2] - 0.03)
            )
            colors[on & (np.abs(places[:, 1] - np.polyval(brow, x)) < half)] = BROW
        if paints.hair:
            front = float(self.head.mean[self.head.mean[:, 1] > eyes[0, 1] + 0.02, 2].max())
            behind = np.maximum(0, front - places[:, 2] - TEMPLE_M)
            ears = x > 0.072
            colors[skin & ~ears & (above + TEMPLE_SLOPE * behind > HAIRLINE_M) & (above > -0.10)] = HAIR
        for name, eye in zip(("left_eye", "right_eye"), eyes, strict=True):
            offset = places - eye
            around = np.hypot(offset[:, 0], offset[:, 1])
            ball, facing = parts == PARTS.index(name), offset[:, 2] > 0
            colors[ball] = WHITE
            colors[ball & facing & (around < IRIS_M)] = IRIS
            colors[ball & facing & (around < PUPIL_M)] = PUPIL
        for name, color in OTHERS.items():
            colors[parts == PARTS.index(name)] = color
        return np.asarray(colors)


@dataclass(frozen=True)
class Shot:
    """A camera on a circle about a face."""

    intrinsics: Array
    """(3, 3) pixels."""
    world_to_camera: Array
    """(4, 4)"""
    size: tuple[int, int]
    """Width and height in pixels."""

    def of(self, vertices: Array, faces: Ints) -> Fragments:
        """What the camera sees of a mesh (V, 3), (F, 3)."""
        K, pose = torch.from_numpy(self.intrinsics), torch.from_numpy(self.world_to_camera)
        return rasterise_mesh(vertices, faces, Camera(K, pose, *self.size))

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (N, 2) and depths (N,) of points (N, 3)."""
        in_camera = points @ self.world_to_camera[:3, :3].T + self.world_to_camera[:3, 3]
        on_plane = in_camera[:, :2] / in_camera[:, 2:]
        pixels = on_plane * self.intrinsics[[0, 1], [0, 1]] + self.intrinsics[:2, 2]
        return np.asarray(pixels), np.asarray(in_camera[:, 2])


def shot_from(azimuth_deg: float, elevation_deg: float, target: Array, distance_m: float = 1.1) -> Shot:
    """A camera that looks at `target` (3,); positive azimuths lie on the person's left."""
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    out = np.array(
        [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    )
    right = unit_vectors(np.cross(-out, [0.0, 1.0, 0.0])[None])[0]
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(-out, right), -out])
    pose[:3, 3] = -pose[:3, :3] @ (target + distance_m * out)
    width, height, focal = 560, 600, 1500.0
    return Shot(np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]), pose, (width, height))
