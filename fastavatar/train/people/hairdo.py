"""The hair on a person's scalp, by its cut."""

import numpy as np

from fastavatar.geometry import Array, unit_vectors
from fastavatar.train.people import (
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

_COUNTS = {
    "bald": 0,
    "shaved": 26_000,
    "short": 32_000,
    "medium": 17_000,
    "long": 15_000,
    "tied": 15_000,
    "curls": 13_000,
}
_RADIUS_M = {
    "shaved": 7e-5,
    "short": 1.0e-4,
    "medium": 1.2e-4,
    "long": 1.3e-4,
    "tied": 1.1e-4,
    "curls": 1.2e-4,
}
"""Strands of each cut and their radius: as few as cover the scalp, chosen by eye."""
_STEPS = {"shaved": 4, "short": 9, "medium": 22, "long": 30, "tied": 20, "curls": 36}
_BUN = np.array([0.0, 0.075, -0.185])


def scalp_hair(hair: Hair, skin: SkinSurface, random: np.random.Generator) -> list[Strands]:
    """The hair on the scalp of a person with that skin; none on a bald one."""
    if hair.cut == "bald":
        return []
    noise = Noise(random)

    def density(places: Array) -> Array:
        edge = scalp(places, hair.hairline_m) + 0.0025 * noise.at(places, 0.006)
        return np.clip(edge / 0.012, 0, 1) * (1 - hair_loss(places, hair.thinning))

    roots = skin.roots(_COUNTS[hair.cut], density, random)
    if not len(roots.points):
        return []
    curves = _curves(hair, skin, roots, random, noise)
    found = [Strands(curves, _RADIUS_M[hair.cut], hair.absorption)]
    if hair.cut == "tied":
        found.append(
            Strands(_bun(random, float(np.abs(roots.points[:, 2]).max())), _RADIUS_M["tied"], hair.absorption)
        )
    return found


def _curves(hair: Hair, skin: SkinSurface, roots: Roots, random: np.random.Generator, noise: Noise) -> Array:
    count, places = len(roots.points), roots.places
    comb = unit_vectors(_comb(hair, places) + 0.12 * np.stack([noise.at(places, 0.03) for _ in range(3)], 1))
    lift = {"shaved": 0.9, "short": 0.25 + 0.9 * hair.lift, "curls": 2.0, "tied": 0.1}.get(hair.cut, 0.22)
    lengths = hair.length_m * _length_share(hair, places) * random.uniform(0.82, 1.0, count)
    thick = {"short": 0.010, "medium": 0.014, "long": 0.014, "tied": 0.005, "curls": 0.0}.get(hair.cut, 0.0)
    layers = thick * random.uniform(0.05, 1, count)
    weight = {"shaved": 0.0, "short": 0.10, "medium": 0.55, "long": 0.55, "tied": 0.0, "curls": 0.03}[
        hair.cut
    ]

    def steer(points: Array, directions: Array, share: float) -> Array:
        pull = np.zeros_like(directions)
        if hair.cut == "tied":
            return directions + 0.9 * unit_vectors(_BUN - points)
        pull[:, 1] -= weight
        if hair.cut in ("medium", "long"):
            pull += _off_the_face(points)
        return directions + pull + (0.5 * (1 - share) ** 3 * comb if hair.cut != "curls" else 0)

    first = lift * roots.normals + comb
    curves = grow(skin, roots, first, lengths, layers, steer, _STEPS[hair.cut])
    if hair.cut in ("shaved",):
        return curves
    if hair.cut == "tied":
        return gathered(curves, places, 500, 0.3, random)
    phases = 2.2 * noise.at(places, 0.014) + random.normal(0, 0.35, count)
    coiled = hair.cut == "curls" or hair.wavelength_m < 0.04
    locks = {"short": 700, "medium": 420, "long": 380, "curls": 900}[hair.cut]
    curves = gathered(curves, places, locks, 0.75 if coiled else 0.55, random)
    radius = hair.wave_m * random.uniform(0.6, 1.2, count)
    curves = waved(curves, radius, hair.wavelength_m, phases, 1.0 if coiled else 0.3)
    loose = 0.0012 * np.stack([noise.at(places, 0.002) for _ in range(3)], 1)
    return np.asarray(curves + np.linspace(0, 1, curves.shape[1])[None, :, None] ** 2 * loose[:, None])


def _comb(hair: Hair, places: Array) -> Array:
    """Directions (S, 3) in which hair lies at places on the average head: away from the parting and down."""
    x, y, z = places.T
    top = np.clip((y - 0.05) / 0.06, 0, 1)
    if np.isnan(hair.parting) or hair.cut == "tied":
        back = np.stack([3 * x, 0.1 + 0 * x, -1 + 0 * x], 1)
        down = np.stack([0 * x, -1 + 0 * x, -0.35 + 0 * x], 1)
        if hair.cut == "tied":
            return unit_vectors(_BUN - places)
        return np.asarray(top[:, None] * back + (1 - top)[:, None] * down)
    side = np.tanh((x - 0.07 * hair.parting) / 0.002)
    forward = 0.25 if hair.cut == "short" else -0.35
    over = np.stack([side, -0.1 + 0 * x, np.where(z > 0, forward, -0.3)], 1)
    down = np.stack([0.1 * side, -1 + 0 * x, -0.25 + 0 * x], 1)
    return np.asarray(top[:, None] * over + (1 - top)[:, None] * down)


def _length_share(hair: Hair, places: Array) -> Array:
    """Length of hair at places as a share of the cut's: short hair is shorter at the sides and the nape."""
    if hair.cut in ("shaved", "short"):
        return np.asarray(0.30 + 0.70 * np.clip((places[:, 1] - 0.02) / 0.075, 0, 1))
    if hair.cut == "tied":
        return np.asarray(np.linalg.norm(_BUN - places, axis=1) / hair.length_m * 1.1)
    if hair.cut == "medium":  # so that the tips end at one height
        return np.asarray(np.clip(0.62 + (places[:, 1] - 0.02) * 3.4, 0.35, 1.05))
    return np.ones(len(places))


def _off_the_face(points: Array) -> Array:
    """What keeps hair beside the face: a push outward and back for points (S, 3) before it."""
    x, y, z = points.T
    before = (
        np.clip((z + 0.01) / 0.04, 0, 1)
        * np.clip((0.085 - y) / 0.03, 0, 1)
        * np.clip((y + 0.16) / 0.05, 0, 1)
    )
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
