"""Paints a person's skin, lips, eyes, teeth and lashes, as linear RGB at the texels of a `Canvas`."""

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array
from fastavatar.head import load_head
from fastavatar.train.people import (
    Canvas,
    MadeUpPerson,
    Noise,
    Skin,
    beard_area,
    brow_curves,
    eye_centers,
    hair_reflectance,
    linear_rgb,
    scalp,
    skin_lab,
)

IRIS_M, PUPIL_M = 0.0060, 0.0019
"""Radii of iris and pupil: the visible iris of adults is about 12 mm wide."""
_OTHERS_LAB = {
    "upper_teeth": (80, 2, 12),
    "lower_teeth": (78, 2, 13),
    "gums": (52, 26, 14),
    "tongue": (52, 28, 14),
    "left_lashes": (8, 2, 3),
    "right_lashes": (8, 2, 3),
}
_RED = np.array([-1.8, 4.2, 0.8])
"""L*, a*, b* of a full flush on light skin."""


def paint(person: MadeUpPerson, canvas: Canvas, random: np.random.Generator) -> tuple[Array, Array]:
    """Colour (N, 3), linear RGB, and height (N,) in metres of fine relief at the texels of a canvas."""
    head, places = load_head(), canvas.places
    noise = Noise(random)
    lab, height = _skin_lab(person, canvas, noise)
    colors = linear_rgb(lab)
    _marks(colors, person.skin, canvas, random)
    _roots(colors, person, canvas, noise)
    for name, color in _OTHERS_LAB.items():
        where = canvas.parts == head.part_names.index(name)
        colors[where] = linear_rgb(np.array(color))
        height[where] = 0
    for name, center in zip(("left_eye", "right_eye"), eye_centers(), strict=True):
        where = canvas.parts == head.part_names.index(name)
        colors[where] = _eye(places[where] - center, person, noise)
        height[where] = 0
    return colors, height


def _skin_lab(person: MadeUpPerson, canvas: Canvas, noise: Noise) -> tuple[Array, Array]:
    """L*, a*, b* (N, 3) and relief (N,) of skin and lips."""
    skin, places = person.skin, canvas.places
    base = skin_lab(skin.ita_deg)
    light = np.interp(skin.ita_deg, [-60, 40], [0.35, 1.0])  # red shows less through dark skin
    lab = np.tile(base, (len(places), 1))
    flush = skin.redness * light * _flush(places) * (1 + 0.35 * noise.at(places, 0.012))
    lab += flush[:, None] * _RED
    tired = _around_eyes(places) * (0.4 + 0.6 * skin.age)
    lab += tired[:, None] * np.array([-6.0, 2.0, -2.0])
    uneven = 0.7 + 0.9 * skin.age
    lab[:, 0] += uneven * (1.3 * noise.rough(places, 0.03) + 0.9 * noise.rough(places, 0.006))
    lab[:, 1] += 1.0 * noise.rough(places, 0.02) + 0.8 * noise.rough(places, 0.004, 2)
    pores = noise.at(places, 0.0011)
    lab[:, 0] += 0.9 * np.minimum(pores, 0.5)
    height = 2.5e-5 * pores + 3e-5 * noise.at(places, 0.0024)
    lines = _lines(places, noise) * skin.age
    height -= 2.2e-4 * lines
    lab[:, 0] -= 3.0 * lines
    _lips(lab, height, person, canvas, noise)
    return lab, height


def _lips(lab: Array, height: Array, person: MadeUpPerson, canvas: Canvas, noise: Noise) -> None:
    places, skin = canvas.places, person.skin
    edge = np.clip((canvas.lips + 0.12 * noise.at(places, 0.004) - 0.35) / 0.4, 0, 1)
    natural = skin_lab(skin.ita_deg) * [0.86, 1.0, 0.85] + [0, 10.0, 0]
    painted = np.array([42.0, 32.0, 11.0])
    color = natural + 0.8 * skin.makeup * (painted - natural)
    folds = noise.at(places * [1.0, 0.15, 0.3], 0.0013)
    lab += edge[:, None] * (color - lab)
    lab[:, 0] += edge * 1.2 * folds
    height += edge * 5e-5 * folds
    inside = np.clip(canvas.inside * 1.5 - 0.2, 0, 1)
    lab += inside[:, None] * (np.array([30.0, 26.0, 14.0]) - lab)


def _flush(places: Array) -> Array:
    """Where skin is redder, 0…1: cheeks, nose, ears, chin."""
    mirrored = places * [1, 1, 1]
    mirrored[:, 0] = np.abs(mirrored[:, 0])
    spots = (
        ((0.040, -0.014, 0.040), 0.017, 0.8),
        ((0.0, -0.010, 0.068), 0.011, 0.9),
        ((0.078, 0.0, -0.055), 0.022, 0.8),
        ((0.0, -0.078, 0.050), 0.013, 0.4),
    )
    total = sum(s * np.exp(-(((mirrored - c) ** 2).sum(1)) / (2 * r * r)) for c, r, s in spots)
    return np.asarray(total)


def _around_eyes(places: Array) -> Array:
    """The darker skin below and beside the eyes, 0…1."""
    offset = np.abs(places[:, 0])[:, None] * [1, 0, 0] + places * [0, 1, 1] - eye_centers()[0]
    below = np.exp(-((offset[:, 0] / 0.017) ** 2) - ((offset[:, 1] + 0.010) / 0.010) ** 2)
    return np.asarray(below * (places[:, 2] > 0))


def _lines(places: Array, noise: Noise) -> Array:
    """Lines of the forehead and around the eyes, 0…1."""
    bend = 0.0012 * noise.at(places, 0.02) - 0.25 * np.abs(places[:, 0]) * places[:, 0] ** 2
    forehead = np.clip((places[:, 1] - 0.058) / 0.008, 0, 1) * np.clip((0.095 - places[:, 1]) / 0.01, 0, 1)
    forehead *= np.clip((0.045 - np.abs(places[:, 0])) / 0.015, 0, 1) * (places[:, 2] > 0.02)
    waves = np.clip(np.cos(2 * np.pi * (places[:, 1] + bend) / 0.0085) * 4 - 3, 0, 1)
    x, below = np.abs(places[:, 0]), -0.014 - places[:, 1]
    fold = x - (0.021 + 0.45 * below) + 0.001 * noise.at(places, 0.01)
    cheek = np.exp(-((fold / 0.0022) ** 2)) * np.clip(below / 0.006, 0, 1) * (below < 0.034)
    return np.asarray(forehead * waves + 0.7 * cheek * (places[:, 2] > 0))


def _marks(colors: Array, skin: Skin, canvas: Canvas, random: np.random.Generator) -> None:
    """Freckles and moles darken the colours in place."""
    face = np.flatnonzero(canvas.parts == load_head().part_names.index("skin"))
    tree = cKDTree(canvas.places[face])
    # The head's own surface is about a tenth of a square metre: a mark needs a place, drawn from its texels
    centers = canvas.places[random.choice(face, skin.freckles + skin.moles)]
    near_nose = np.linalg.norm(centers - [0, 0.0, 0.05], axis=1)
    for index, center in enumerate(centers):
        freckle = index < skin.freckles
        if freckle and random.random() > np.exp(-((near_nose[index] / 0.06) ** 2)) + 0.1:
            continue
        radius = random.uniform(0.0005, 0.0013) if freckle else random.uniform(0.0007, 0.0016)
        depth = random.uniform(0.15, 0.45) if freckle else random.uniform(0.4, 0.75)
        near = face[tree.query_ball_point(center, 1.6 * radius)]
        distance = np.linalg.norm(canvas.places[near] - center, axis=1) / radius
        share = depth * np.clip(1.6 - distance, 0, 1)
        colors[near] *= 1 - share[:, None] * np.array([0.6, 0.85, 1.0])


def _roots(colors: Array, person: MadeUpPerson, canvas: Canvas, noise: Noise) -> None:
    """Scalp under hair, the shadow of a shaved beard and the skin under brows take the hair's colour."""
    hair, places = person.hair, canvas.places
    color = hair_reflectance(hair.absorption)
    skin = canvas.parts == load_head().part_names.index("skin")
    grain = np.clip(0.75 + 0.25 * noise.at(places, 0.0012), 0, 1)
    cover = {"bald": 0.22, "shaved": 0.72}.get(hair.cut, 0.9)
    edge = scalp(places, hair.hairline_m) + 0.002 * noise.at(places, 0.006)
    on_scalp = cover * np.clip(edge / 0.009, 0, 1) * (1 - hair_loss(places, hair.thinning))
    beard = np.zeros(len(places))
    if hair.beard_m > 0:
        area = np.clip(beard_area(places) / 0.010, 0, 1)
        if hair.goatee:
            area *= np.clip((0.036 - np.abs(places[:, 0])) / 0.008, 0, 1)
        beard = np.where(hair.beard_m < 0.001, 0.38, 0.55) * area * np.clip(1 - 2.5 * canvas.lips, 0, 1)
    brow = 0.5 * hair.brow_density * brow_area(places)
    share = np.maximum.reduce([on_scalp, beard, brow]) * grain * skin
    colors += share[:, None] * (color - colors)


def hair_loss(places: Array, thinning: float) -> Array:
    """Share of hair lost, 0…1, at places (N, 3): temples first, then the crown."""
    eye = eye_centers()[0]
    temples = np.exp(
        -(((np.abs(places[:, 0]) - 0.040) / 0.020) ** 2) - ((places[:, 1] - eye[1] - 0.075) / 0.035) ** 2
    )
    crown = np.exp(-(((places - [0, 0.118, -0.085]) / 0.045) ** 2).sum(1))
    top = np.clip((places[:, 1] - 0.085) / 0.03, 0, 1)
    return np.asarray(
        np.clip(1.6 * thinning * np.maximum(temples, crown) + max(0.0, thinning - 0.4) * 2.5 * top, 0, 1)
    )


def brow_area(places: Array) -> Array:
    """How much brow there is, 0…1, at places (N, 3) on the average head."""
    x = np.abs(places[:, 0])
    left, right = (np.polyval(curve, x) for curve in brow_curves())
    middle = np.where(places[:, 0] > 0, left, right)
    half = 0.0052 * np.clip((0.058 - x) / 0.026, 0.25, 1)
    across = np.clip(1.5 - np.abs(places[:, 1] - middle) / half, 0, 1)
    along = np.clip((x - 0.009) / 0.006, 0, 1) * np.clip((0.056 - x) / 0.006, 0, 1)
    return np.asarray(across * along * (places[:, 2] > 0.0))


def _eye(offsets: Array, person: MadeUpPerson, noise: Noise) -> Array:
    """Linear RGB (N, 3) of an eyeball at offsets (N, 3) from its centre on the average head, metres."""
    around = np.hypot(offsets[:, 0], offsets[:, 1])
    angle = np.arctan2(offsets[:, 1], offsets[:, 0])
    ring = np.stack([np.cos(angle), np.sin(angle), around / IRIS_M * 0.35], 1)
    fibres = noise.rough(ring, 0.10, 2)
    iris = np.tile(np.array(person.iris_lab), (len(offsets), 1))
    share = around / IRIS_M
    iris[:, 0] += (
        5 * fibres + 6 * np.exp(-(((share - 0.45) / 0.12) ** 2)) - 14 * np.clip((share - 0.82) / 0.18, 0, 1)
    )
    iris[:, 0] = np.maximum(iris[:, 0], 4)
    white = np.array([82.0, 1.5, 4.0]) - np.clip((around - 0.008) / 0.006, 0, 1)[:, None] * [9, -7, -4]
    veins = np.clip(noise.at(offsets * [1, 2.5, 1], 0.0022) - 1.1, 0, 1) * np.clip(
        (around - 0.007) / 0.004, 0, 1
    )
    white = white + veins[:, None] * np.array([-6.0, 10.0, 3.0])
    in_iris = (np.clip((1.03 - share) / 0.06, 0, 1) * (offsets[:, 2] > 0))[:, None]
    in_pupil = (np.clip((1.06 - around / PUPIL_M) / 0.12, 0, 1) * (offsets[:, 2] > 0))[:, None]
    lab = white + in_iris * (iris - white)
    return np.asarray(linear_rgb(lab + in_pupil * (np.array([2.0, 0.0, 0.0]) - lab)))
