"""Heads of made-up people drawn in milliseconds: no strands, no light that bounces, but thousands of shapes.

The point predictor learns from them what it cannot learn from few rendered people: how outlines and shading
tell the shape. They have the points of `people`, in the same order.

 person, expression ─▶ vertices ─ hair as a swollen scalp ─▶ colours × light ─ rasterise ─▶ picture, mask
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from fastavatar.captures import View
from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools, Similarity, spread_over, vertex_normals
from fastavatar.head import load_head
from fastavatar.rendering import Fragments, rasterise_mesh
from fastavatar.train.people import (
    Hair,
    MadeUpPerson,
    carried,
    hair_reflectance,
    linear_rgb,
    place_cameras,
    points_on,
    sample_expression,
    sample_person,
    scalp,
    skin_lab,
)

HEIGHT_PX, WIDTH_PX = 192, 132
"""Size of the pictures, NeRSemble's quartered: the network sees 224 pixels."""
_FINENESS = 2  # samples along each side of a pixel
_THICKNESS_M = {  # of hair, thinnest and thickest; chosen by eye
    "bald": (0.0, 0.001),
    "shaved": (0.001, 0.004),
    "short": (0.006, 0.028),
    "medium": (0.010, 0.035),
    "long": (0.010, 0.035),
    "tied": (0.004, 0.014),
    "curls": (0.020, 0.065),
}
_EDGE_M = 0.012
"""Distance from the hairline at which hair has its whole thickness."""
_HANGING = ("medium", "long")
"""Cuts that also cover the sides and the back of the neck."""
_LIP_RED = np.array([1.0, 0.6, 0.6])  # reflectance of lips over that of skin
_SCLERA, _CLOTH_EDGE_M = np.array([0.6, 0.58, 0.55]), 0.135
"""Reflectance of the eye's white; how far below the origin a shirt begins, give or take the neckline."""


@dataclass(frozen=True)
class DrawnHeads:
    """`count` views, each of another person; drawn when asked for, the same each time."""

    count: int
    seed: int
    points: int
    """Points of a head, taken evenly from their order, as `DataSettings.points`."""

    def __getitem__(self, number: int) -> tuple[View, Tensor]:
        """A view, and the points (P, 3) in metres of the person that it shows."""
        random = np.random.default_rng([self.seed, number, 11])
        shape = self.shape_of(number)
        size = (WIDTH_PX, HEIGHT_PX)
        camera = carried(place_cameras("nersemble", 16, size, random)[random.integers(16)], shape.to_head)
        image, mask = _drawn(shape, camera, random)
        return View(f"drawn {number}", image, mask, camera, True), self._points(shape)

    def points_of(self, number: int) -> Tensor:
        """The points (P, 3) of a person, without the picture."""
        return self._points(self.shape_of(number))

    def shape_of(self, number: int) -> "_Shape":
        """A person's shape, without the picture."""
        random = np.random.default_rng([self.seed, number, 12])
        person, head = sample_person(self.seed, number), load_head()
        expression, turns = sample_expression(self.seed, number, 0)
        to_head = head.motion_of_skull(person.identity, turns).inverse()
        skin = to_head.apply(head.vertices(person.identity, expression, turns))
        lumps = _lumps(skin, random)
        thickness_m = random.uniform(*_THICKNESS_M[person.hair.cut]) * (1 + 0.15 * lumps)
        return _Shape(person, to_head, skin, vertex_normals(skin, head.faces), thickness_m, lumps)

    def _points(self, shape: "_Shape") -> Tensor:
        """Like the points of `people`, they lie on the scalp's hair, but under hair that hangs."""
        points = points_on(shape.grown(_on_scalp(shape.person.hair)))
        return torch.from_numpy(points[spread_over(len(points), self.points)]).float()


@dataclass(frozen=True)
class _Shape:
    """A person with an expression."""

    person: MadeUpPerson
    to_head: Similarity
    """From the frame in which the shoulders are upright, where cameras are placed, to the head frame."""
    skin: Array
    """(V, 3) vertices without hair, metres, head frame."""
    normals: Array
    """(V, 3) outward."""
    thickness_m: Array
    """(V,) of hair, where it is thickest."""
    lumps: Array
    """(V,) smooth noise."""

    def grown(self, hair: Array) -> Array:
        """The vertices (V, 3) with hair, of a share (V,) of the whole thickness."""
        return np.asarray(self.skin + self.normals * (self.thickness_m * hair)[:, None])


def _drawn(shape: _Shape, camera: Camera, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Picture (H, W, 3) on white and mask (H, W)."""
    faces, hair = load_head().faces, _hair(shape.person.hair)
    colors = _colors(shape.person, hair) * _light(shape.normals, random)[:, None]
    colors *= np.exp(0.06 * shape.lumps)[:, None]
    # sRGB's transfer function is close to this power
    encoded = np.clip(colors * random.uniform(0.8, 1.6), 0, 1) ** (1 / 2.2)
    fine = camera.resized(_FINENESS * camera.width, _FINENESS * camera.height)
    seen = rasterise_mesh(shape.grown(hair), faces, fine)
    image = np.ones((*seen.hit.shape, 4))
    image[~seen.hit, 3] = 0
    image[seen.hit, :3] = _interpolated(encoded, seen)
    coarse = image.reshape(camera.height, _FINENESS, camera.width, _FINENESS, 4).mean((1, 3))
    picture = torch.from_numpy(coarse).float()
    return picture[..., :3].contiguous(), picture[..., 3].contiguous()


def _interpolated(values: Array, seen: Fragments) -> Array:
    corners = load_head().faces[seen.face[seen.hit]]
    return np.asarray(np.einsum("pk,pkc->pc", seen.weights[seen.hit], values[corners]))


def _on_scalp(hair: Hair) -> Array:
    """(V,) 0 on bare skin … 1 where hair on the scalp is thickest."""
    return np.asarray(np.clip(scalp(load_head().mean, hair.hairline_m) * _outer() / _EDGE_M, 0, 1))


def _hair(hair: Hair) -> Array:
    """(V,) the same with hair that hangs over the sides and the back of the neck."""
    head, found = load_head(), _on_scalp(hair)
    if hair.cut not in _HANGING:
        return found
    low = -0.06 if hair.cut == "medium" else -0.14
    behind = np.minimum(-0.035 - head.mean[:, 2], head.mean[:, 1] - low)
    hanging = np.where(head.region("face", "eyes", "lips", "jaw"), 0, behind * _outer())
    return np.asarray(np.maximum(found, np.clip(hanging / _EDGE_M, 0, 1)))


def _colors(person: MadeUpPerson, hair: Array) -> Array:
    """Reflectance (V, 3), linear RGB."""
    head = load_head()
    skin = linear_rgb(skin_lab(person.skin.ita_deg))
    colors = np.tile(skin, (len(hair), 1))
    colors[head.region("lips")] = skin * _LIP_RED
    colors[head.region("eyes")] = _SCLERA
    iris = head.region("eyes") & (head.mean[:, 2] > _front_of_eyes())
    colors[iris] = linear_rgb(np.array(person.iris_lab)) * 0.5
    cloth = (head.mean[:, 1] < -_CLOTH_EDGE_M - person.shirt.neckline_m) & _outer()
    colors[cloth] = linear_rgb(np.array(person.shirt.lab))
    strands = hair_reflectance(person.hair.absorption)
    return np.asarray(colors + (hair > 0)[:, None] * np.minimum(1, 3 * hair)[:, None] * (strands - colors))


def _light(normals: Array, random: np.random.Generator) -> Array:
    """(V,) light of one lamp somewhere in front, and from everywhere."""
    lamp = random.normal(0, [1.0, 0.7, 0.5]) + [0, 0.4, 0.9]
    lamp /= np.linalg.norm(lamp)
    everywhere = random.uniform(0.25, 0.8)
    above = 0.5 + 0.5 * normals[:, 1]
    return np.asarray(
        everywhere * (0.6 + 0.4 * above) + (1 - everywhere) * 1.5 * np.maximum(0, normals @ lamp)
    )


def _lumps(vertices: Array, random: np.random.Generator) -> Array:
    """(V,) smooth noise of standard deviation about 1, in waves of 1 to 6 cm."""
    waves = random.normal(0, 1, (5, 3)) * 2 * np.pi / random.uniform(0.01, 0.06, (5, 1))
    return np.asarray(np.sin(vertices @ waves.T + random.uniform(0, 2 * np.pi, 5)).sum(1) / 1.6)


@cache
def _outer() -> Bools:
    """(V,) the skin that cameras see, without mouth and sockets."""
    return ~load_head().region("mouth", "sockets", "eyes", "lashes", "teeth", "gums", "tongue")


@cache
def _front_of_eyes() -> float:
    """Depth beyond which the eyes of the average head are iris, metres."""
    head = load_head()
    return float(np.quantile(head.mean[head.region("eyes")][:, 2], 0.8))
