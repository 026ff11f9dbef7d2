"""Brows, lashes and beard as strands."""

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, unit_vectors
from fastavatar.head import load_head
from fastavatar.train.people import Hair, Noise, SkinSurface, Strands, beard_area, brow_area, grow

_LASHES_A_SIDE = 150


def facial_strands(
    hair: Hair, skin: SkinSurface, vertices: Array, random: np.random.Generator
) -> list[Strands]:
    """Brows, lashes, and a beard where there is one, on a person's skin and vertices (V, 3)."""
    dark = 1.3 * np.maximum(hair.absorption, [0.15, 0.25, 0.45])
    found = [_brows(hair, skin, dark, random), _lashes(vertices, random)]
    if hair.beard_m >= 0.001:
        found.append(_beard(hair, skin, random))
    return [one for one in found if len(one.points)]


def _brows(hair: Hair, skin: SkinSurface, absorption: Array, random: np.random.Generator) -> Strands:
    roots = skin.roots(int(1500 * hair.brow_density), brow_area, random)
    x = roots.places[:, 0]
    inner = np.clip((0.030 - np.abs(x)) / 0.016, 0, 1)
    outward = np.stack([np.sign(x), -0.15 + 1.0 * inner, -0.3 + 0 * x], 1)
    first = outward + 0.22 * roots.normals + random.normal(0, 0.18, (len(x), 3))
    lengths = random.uniform(0.004, 0.009, len(x))
    curves = grow(skin, roots, first, lengths, np.full(len(x), 3e-4), _straight, 4)
    return Strands(curves, 8e-5, absorption)


def _straight(points: Array, directions: Array, share: float) -> Array:
    return directions + [0, -0.05, 0]


def _lashes(vertices: Array, random: np.random.Generator) -> Strands:
    """Lashes along the cards that the parametric head has for them, from the lid outward."""
    head = load_head()
    lids = vertices[head.region("eyelids")]
    tree = cKDTree(lids)
    curves = []
    for part in ("left_lashes", "right_lashes"):
        card = vertices[np.unique(head.faces[head.part(part)])]
        distance, nearest = (np.asarray(one) for one in tree.query(card))
        outer = distance > 0.55 * distance.max()
        tips, roots = card[outer], lids[nearest[outer]]
        one, other = random.integers(0, len(tips), (2, _LASHES_A_SIDE * 6))
        close = np.linalg.norm(tips[one] - tips[other], axis=1) < 0.006
        one, other = one[close][:_LASHES_A_SIDE], other[close][:_LASHES_A_SIDE]
        share = random.uniform(0, 1, (len(one), 1))
        root = roots[one] + share * (roots[other] - roots[one])
        tip = tips[one] + share * (tips[other] - tips[one])
        t = np.linspace(0, 1, 5)[None, :, None]
        curves.append(root[:, None] + t * (tip - root)[:, None] * random.uniform(0.6, 0.95, (len(one), 1, 1)))
    return Strands(np.concatenate(curves), 8e-5, np.array([2.2, 3.7, 7.4]))


def _beard(hair: Hair, skin: SkinSurface, random: np.random.Generator) -> Strands:
    noise = Noise(random)
    head = load_head()
    lips = cKDTree(head.mean[head.region("lips")])

    def density(places: Array) -> Array:
        area = np.clip((beard_area(places) + 0.002 * noise.at(places, 0.005)) / 0.012, 0, 1)
        if hair.goatee:
            area = area * np.clip((0.036 - np.abs(places[:, 0])) / 0.008, 0, 1)
        away = np.clip((lips.query(places)[0] - 0.0012) / 0.002, 0, 1)
        return np.asarray(area * away)

    roots = skin.roots(11_000, density, random)
    count = len(roots.points)
    lengths = hair.beard_m * random.uniform(0.6, 1.0, count) * np.where(hair.goatee, 0.8, 1.0)
    down = np.array([0.0, -1.0, 0.15]) + 0.25 * np.sign(roots.places[:, :1]) * [1, 0, 0]
    first = roots.normals * 0.6 + down + random.normal(0, 0.3, (count, 3))
    layers = random.uniform(0.0003, 0.4, count) * np.minimum(hair.beard_m, 0.008)
    curves = grow(skin, roots, unit_vectors(first), lengths, layers, _straight, 5)
    curves[:, 1:] += random.normal(0, 0.06, (count, 1, 3)) * lengths[:, None, None]
    return Strands(curves, 7e-5, hair.absorption)
