"""The hair on a person's scalp, by its cut."""

from dataclasses import dataclass

import numpy as np

from fastavatar.geometry import Array, unit_vectors
from fastavatar.train.people import (
    Cut,
    Hair,
    Noise,
    Roots,
    SkinSurface,
    Strands,
    gathered,
    grow,
    hair_loss,
    scalp,
    waved,
)


@dataclass(frozen=True)
class _Way:
    """How the hair of a cut is drawn; all numbers chosen by eye."""

    strands: int
    radius_m: float
    """As few and as thick strands as cover the scalp."""
    steps: int
    lift: float
    """How far hair rises from the skin at its root, relative to how far it lies along it."""
    layer_m: float = 0.0
    """Thickness of the hair that lies on the head."""
    weight: float = 0.0
    """How strongly hair turns down, at each step."""
    locks: int = 0


_WAYS: dict[Cut, _Way] = {
    "shaved": _Way(26_000, 7e-5, 4, 0.9),
    "short": _Way(32_000, 1.0e-4, 9, 0.25, 0.010, 0.10, 700),
    "medium": _Way(18_000, 1.2e-4, 22, 0.22, 0.014, 0.55, 420),
    "long": _Way(16_000, 1.3e-4, 30, 0.22, 0.014, 0.55, 380),
    "tied": _Way(16_000, 1.1e-4, 20, 0.1, 0.005, 0.0, 500),
    "curls": _Way(13_000, 1.2e-4, 36, 4.0, 0.0, 0.03, 900),
}
_BUN = np.array([0.0, 0.075, -0.185])
"""Where tied hair is gathered, on the average head."""


def scalp_hair(hair: Hair, skin: SkinSurface, random: np.random.Generator) -> list[Strands]:
    """The hair on the scalp of a person with that skin; none on a bald one."""
    if hair.cut == "bald":
        return []
    way, noise = _WAYS[hair.cut], Noise(random)

    def density(places: Array) -> Array:
        edge = scalp(places, hair.hairline_m) + 0.0025 * noise.at(places, 0.006)
        return np.asarray(np.clip(edge / 0.012, 0, 1) * (1 - hair_loss(places, hair.thinning)))

    roots = skin.roots(way.strands, density, random)
    if not len(roots.points):
        return []
    curves = (
        _tied(roots, skin, way, random) if hair.cut == "tied" else _loose(hair, roots, skin, noise, random)
    )
    found = [Strands(curves, way.radius_m, hair.absorption)]
    if hair.cut == "tied":
        found.append(Strands(_bun(random, -float(roots.points[:, 2].min())), way.radius_m, hair.absorption))
    return found


def _tied(roots: Roots, skin: SkinSurface, way: _Way, random: np.random.Generator) -> Array:
    """Hair (S, K, 3) that is combed into a bun."""

    def steer(points: Array, directions: Array, share: float) -> Array:
        return directions + 0.9 * unit_vectors(_BUN - points)

    count = len(roots.points)
    first = way.lift * roots.normals + unit_vectors(_BUN - roots.places)
    lengths = 1.1 * np.linalg.norm(_BUN - roots.places, axis=1) * random.uniform(0.82, 1.0, count)
    layers = way.layer_m * random.uniform(0.05, 1, count)
    curves = grow(skin, roots, first, lengths, layers, steer, way.steps)
    return gathered(curves, roots.places, way.locks, 0.3, random)


def _loose(hair: Hair, roots: Roots, skin: SkinSurface, noise: Noise, random: np.random.Generator) -> Array:
    """Hair (S, K, 3) that lies or hangs as it was combed, in waves or coils."""
    count, places, way = len(roots.points), roots.places, _WAYS[hair.cut]
    strays = 0.12 * np.stack([noise.at(places, 0.03) for _ in range(3)], 1)
    comb = unit_vectors(_comb(hair, places) + strays)
    lift = way.lift + (0.9 * hair.lift if hair.cut == "short" else 0)
    lengths = hair.length_m * _length_share(hair, places) * random.uniform(0.82, 1.0, count)
    layers = way.layer_m * random.uniform(0.05, 1, count)
    combed = 0.0 if hair.cut == "curls" else 0.5

    def steer(points: Array, directions: Array, share: float) -> Array:
        pull = combed * (1 - share) ** 3 * comb
        pull[:, 1] -= way.weight
        if hair.cut in ("medium", "long"):
            pull += _off_the_face(points)
        return directions + pull

    curves = grow(skin, roots, lift * roots.normals + comb, lengths, layers, steer, way.steps)
    if hair.cut == "shaved":
        return curves
    coiled = hair.cut == "curls" or hair.wavelength_m < 0.04
    curves = gathered(curves, places, way.locks, 0.75 if coiled else 0.55, random)
    phases = 2.2 * noise.at(places, 0.014) + random.normal(0, 0.35, count)
    radius = hair.wave_m * random.uniform(0.6, 1.2, count)
    curves = waved(curves, radius, hair.wavelength_m, phases, 1.0 if coiled else 0.3)
    loose = 0.0012 * np.stack([noise.at(places, 0.002) for _ in range(3)], 1)
    return np.asarray(curves + np.linspace(0, 1, curves.shape[1])[None, :, None] ** 2 * loose[:, None])


def _comb(hair: Hair, places: Array) -> Array:
    """Directions (S, 3) in which hair lies at places on the average head: away from the parting and down."""
    x, y, z = places.T
    flat, top = 0 * x, np.clip((y - 0.05) / 0.06, 0, 1)
    if hair.cut == "curls":
        return np.stack([x, y, flat], 1)
    if np.isnan(hair.parting):
        over, down = np.stack([3 * x, flat + 0.1, flat - 1], 1), np.stack([flat, flat - 1, flat - 0.35], 1)
    else:
        # Short hair lies to one side, longer hair falls to both
        side = np.tanh((x - 0.07 * hair.parting) / 0.002)
        side = flat - np.sign(hair.parting) if hair.cut in ("short", "shaved") else side
        forward = 0.25 if hair.cut == "short" else -0.35
        over = np.stack([side, flat - 0.1, np.where(z > 0, forward, -0.3)], 1)
        down = np.stack([0.1 * side, flat - 1, flat - 0.25], 1)
    return np.asarray(top[:, None] * over + (1 - top)[:, None] * down)


def _length_share(hair: Hair, places: Array) -> Array:
    """Length of hair at places as a share of the cut's: short hair is shorter at the sides and the nape."""
    if hair.cut in ("shaved", "short"):
        return np.asarray(0.30 + 0.70 * np.clip((places[:, 1] - 0.02) / 0.075, 0, 1))
    if hair.cut == "medium":  # so that the tips end at one height
        return np.asarray(np.clip(0.62 + (places[:, 1] - 0.02) * 3.4, 0.35, 1.05))
    return np.ones(len(places))


def _off_the_face(points: Array) -> Array:
    """What keeps hair beside the face: a push outward and back for points (S, 3) before it."""
    x, y, z = points.T
    before = np.clip((z + 0.01) / 0.04, 0, 1) * np.clip((0.085 - y) / 0.03, 0, 1)
    before = before * np.clip((y + 0.16) / 0.05, 0, 1)
    return np.asarray(before[:, None] * np.stack([0.8 * np.sign(x), 0 * x, -0.8 + 0 * x], 1))


def _bun(random: np.random.Generator, back_m: float) -> Array:
    """Strands (S, K, 3) wound around a ball behind the head."""
    count, steps = 1500, 16
    axis = unit_vectors(random.normal([0, 0.2, 1.0], [0.35, 0.35, 0.2], (count, 3)))
    start = unit_vectors(np.cross(axis, random.normal(size=(count, 3))))
    other = np.cross(axis, start)
    turn = np.linspace(0, 3.6, steps)[None, :, None]
    radius = random.uniform(0.026, 0.031, count)[:, None, None]
    center = np.array([0, _BUN[1], -min(back_m, 0.15) - 0.018])
    return np.asarray(center + radius * (np.cos(turn) * start[:, None] + np.sin(turn) * other[:, None]))
