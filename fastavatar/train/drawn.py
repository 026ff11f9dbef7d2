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
from fastavatar.geometry import Array, Bools, spread_over, vertex_normals
from fastavatar.head import load_head
from fastavatar.rendering import Fragments, rasterise_mesh
from fastavatar.train.people import (
    Hair,
    Person,
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
        person, vertices = self._person(number)
        size = (WIDTH_PX, HEIGHT_PX)
        camera = place_cameras("nersemble", 16, size, random)[random.integers(16)]
        image, mask = _drawn(vertices, person, camera, random)
        view = View(f"drawn {number}", image, mask, camera, True)
        return view, self._points(vertices)

    def points_of(self, number: int) -> Tensor:
        """The points (P, 3) of a person, without the picture."""
        return self._points(self._person(number)[1])

    def _person(self, number: int) -> tuple[Person, Array]:
        """A person, and the vertices (V, 3) with an expression."""
        person = sample_person(self.seed, number)
        return person, load_head().vertices(person.identity, *sample_expression(self.seed, number, 0))

    def _points(self, vertices: Array) -> Tensor:
        points = points_on(vertices)
        return torch.from_numpy(points[spread_over(len(points), self.points)]).float()


def _drawn(
    vertices: Array, person: Person, camera: Camera, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Picture (H, W, 3) on white and mask (H, W)."""
    head = load_head()
    normals = vertex_normals(vertices, head.faces)
    hair = _hair(person.hair)
    thick = random.uniform(*_THICKNESS_M[person.hair.cut])
    lumps = _lumps(vertices, random)
    swollen = vertices + normals * (thick * hair * (1 + 0.15 * lumps))[:, None]
    colors = _colors(person, vertices, hair) * _light(normals, random)[:, None]
    colors *= np.exp(0.06 * lumps)[:, None]
    # sRGB's transfer function is close to this power
    encoded = np.clip(colors * random.uniform(0.8, 1.6), 0, 1) ** (1 / 2.2)
    fine = camera.resized(_FINENESS * camera.width, _FINENESS * camera.height)
    seen = rasterise_mesh(swollen, head.faces, fine)
    image = np.ones((*seen.hit.shape, 4))
    image[~seen.hit, 3] = 0
    image[seen.hit, :3] = _interpolated(encoded, seen)
    coarse = image.reshape(camera.height, _FINENESS, camera.width, _FINENESS, 4).mean((1, 3))
    picture = torch.from_numpy(coarse).float()
    return picture[..., :3].contiguous(), picture[..., 3].contiguous()


def _interpolated(values: Array, seen: Fragments) -> Array:
    corners = load_head().faces[seen.face[seen.hit]]
    return np.asarray(np.einsum("pk,pkc->pc", seen.weights[seen.hit], values[corners]))


def _hair(hair: Hair) -> Array:
    """(V,) 0 on bare skin … 1 where hair is thickest."""
    head = load_head()
    inside = scalp(head.mean, hair.hairline_m) * _outer()
    if hair.cut in _HANGING:
        low = -0.06 if hair.cut == "medium" else -0.14
        behind = np.minimum(-0.035 - head.mean[:, 2], head.mean[:, 1] - low)
        inside = np.maximum(
            inside, np.where(head.region("face", "eyes", "lips", "jaw"), -1, behind) * _outer()
        )
    return np.asarray(np.clip(inside / 0.012, 0, 1))


def _colors(person: Person, vertices: Array, hair: Array) -> Array:
    """Reflectance (V, 3), linear RGB."""
    head = load_head()
    skin = linear_rgb(skin_lab(person.skin.ita_deg))
    colors = np.tile(skin, (len(vertices), 1))
    colors[head.region("lips")] = skin * _LIP_RED
    colors[head.region("eyes")] = _SCLERA
    iris = head.region("eyes") & (head.mean[:, 2] > _front_of_eyes())
    colors[iris] = linear_rgb(np.array(person.iris_lab)) * 0.5
    cloth = (head.mean[:, 1] < -_CLOTH_EDGE_M - person.shirt.neckline_m) & _outer()
    colors[cloth] = linear_rgb(np.array(person.shirt.lab))
    strands = hair_reflectance(*person.hair.melanin)
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
