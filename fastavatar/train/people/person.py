"""Draws people: shape, expression and looks. One seed and number give one person everywhere."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fastavatar.geometry import Array
from fastavatar.head import arkit_weights, load_head
from fastavatar.train.people import HAIR_COLORS, IRIS_LAB, ITA_DEG

Cut = Literal[
    "bald",
    "shaved",  # millimetres
    "short",  # a few centimetres, lying or standing up
    "medium",  # to the ears or the jaw
    "long",  # to the shoulders or below
    "tied",  # combed back into a bun
    "curls",  # a cloud of coils
]

_WIDEST = 2.2
"""Standard deviations at which an identity's coefficients end: wider ones look like caricatures."""


@dataclass(frozen=True)
class Hair:
    """Hair on the scalp, brows, lashes and beard."""

    cut: Cut
    length_m: float
    lift: float
    """0 lies flat, 1 stands up from the scalp."""
    parting: float
    """Where hair parts, as a share of the head's half width; NaN combs it back."""
    wave_m: float
    """Radius of waves or coils."""
    wavelength_m: float
    """Length of hair in one wave or coil."""
    hairline_m: float
    """Height of the hairline above the eyes."""
    thinning: float
    """0…1 share of hair lost at temples and crown."""
    absorption: Array
    """(3,) RGB, see `HAIR_COLORS`."""
    beard_m: float
    """Length of a beard, 0 for none; below a millimetre it is a shadow."""
    goatee: bool
    """Whether the beard keeps to chin and lip."""
    brow_density: float


@dataclass(frozen=True)
class Skin:
    """Colours and marks of the skin."""

    ita_deg: float
    redness: float
    """Strength of the red in cheeks, nose and ears, 1 on average."""
    freckles: int
    moles: int
    age: float
    """0 for a young adult, 1 for an old one: lines, spots and uneven tone."""
    makeup: float
    """0…1 strength of lipstick."""
    oil: float
    """0 for dull skin, 1 for shiny skin."""


@dataclass(frozen=True)
class Shirt:
    """A plain shirt."""

    lab: tuple[float, float, float]
    """L*, a*, b*."""
    neckline_m: float
    """How far the neckline lies below the pit of the neck, in front."""


@dataclass(frozen=True)
class MadeUpPerson:
    """All that makes up one person but the expression."""

    identity: Array
    """(K,) coefficients of the parametric head, standard deviations."""
    skin: Skin
    hair: Hair
    shirt: Shirt
    iris_lab: tuple[float, float, float]


def sample_person(seed: int, number: int) -> MadeUpPerson:
    """The person of that number: identity from the head's own distribution, looks to fit it.

    Beards grow on people with a broad neck and jaw for their head: the head's modes do not say who is a man.
    """
    random = np.random.default_rng([seed, number])
    identity = np.clip(random.standard_normal(len(load_head().modes)), -_WIDEST, _WIDEST)
    manly = _manliness(identity) > random.normal(0, 0.4)
    age = float(random.beta(1.3, 1.6))
    ita = float(random.uniform(*ITA_DEG))
    return MadeUpPerson(
        identity,
        _skin(random, ita, age, manly),
        _hair(random, ita, age, manly),
        Shirt(_cloth(random), float(random.uniform(-0.010, 0.010))),
        IRIS_LAB[_iris(random, ita)],
    )


def sample_expression(seed: int, number: int, index: int) -> tuple[Array, Array]:
    """Weights (52,) of ARKit's expressions and turns (5, 3) of the joints, radians.

    Every second expression is at rest; the others are one or two common ones, of any strength.
    """
    random = np.random.default_rng([seed, number, index, 1])
    weights: dict[str, float] = {"jawOpen": float(max(0.0, random.normal(-0.02, 0.03)))}
    if random.random() > 0.55:
        for name in random.choice(len(_EXPRESSIONS), random.integers(1, 3), replace=False):
            strength = random.uniform(0.25, 0.9)
            weights |= {one: float(strength * share) for one, share in _EXPRESSIONS[name].items()}
    turns = np.zeros((5, 3))
    joints = load_head().joint_names
    gaze = random.normal(0, [0.07, 0.12])
    for eye in ("left_eye", "right_eye"):
        turns[joints.index(eye), :2] = gaze
    turns[joints.index("head")] = random.normal(0, [0.04, 0.04, 0.025])
    return arkit_weights(weights), turns


_BOTH = ("Left", "Right")
_EXPRESSIONS = (
    {f"mouthSmile{side}": 1.0 for side in _BOTH} | {f"cheekSquint{side}": 0.6 for side in _BOTH},
    {f"mouthSmile{side}": 0.8 for side in _BOTH}
    | {"jawOpen": 0.3}
    | {f"mouthUpperUp{s}": 0.5 for s in _BOTH},
    {"jawOpen": 0.7},
    {"browInnerUp": 1.0}
    | {f"browOuterUp{side}": 0.8 for side in _BOTH}
    | {f"eyeWide{s}": 0.6 for s in _BOTH},
    {f"browDown{side}": 1.0 for side in _BOTH} | {f"eyeSquint{side}": 0.5 for side in _BOTH},
    {"mouthPucker": 0.8},
    {f"mouthFrown{side}": 0.9 for side in _BOTH},
    {f"eyeBlink{side}": 0.6 for side in _BOTH},
    {f"eyeSquint{side}": 1.0 for side in _BOTH} | {f"noseSneer{side}": 0.4 for side in _BOTH},
)


def _manliness(identity: Array) -> float:
    """Breadth of neck and jaw, together, in standard deviations over the head's distribution."""
    head = load_head()
    x = np.abs(head.mean[:, 0])
    side = (head.region("neck") | head.region("jaw")) & (x > 0.03)
    outward = head.modes[:, side, 0] * np.sign(head.mean[side, 0])
    per_mode = outward.mean(1)
    return float(identity @ per_mode / np.linalg.norm(per_mode))


def _skin(random: np.random.Generator, ita: float, age: float, manly: bool) -> Skin:
    freckled = ita > 30 and random.random() < 0.35
    return Skin(
        ita,
        float(random.uniform(0.5, 1.5)),
        int(random.integers(80, 500)) if freckled else 0,
        int(random.poisson(5)),
        age,
        float(random.uniform(0.2, 1)) if not manly and random.random() < 0.45 else 0.0,
        float(random.uniform()),
    )


def _hair(random: np.random.Generator, ita: float, age: float, manly: bool) -> Hair:
    cuts: dict[Cut, float] = (
        {"bald": 0.10, "shaved": 0.22, "short": 0.48, "medium": 0.08, "long": 0.04, "curls": 0.08}
        if manly
        else {"shaved": 0.03, "short": 0.14, "medium": 0.25, "long": 0.30, "tied": 0.18, "curls": 0.10}
    )
    coiled = random.random() < np.interp(ita, [-30, 10, 40], [0.85, 0.15, 0.03])
    if coiled:
        cuts["curls"] = 0.35
    cut: Cut = list(cuts)[random.choice(len(cuts), p=np.array(list(cuts.values())) / sum(cuts.values()))]
    lengths = {
        "bald": (0.001, 0.001),
        "shaved": (0.002, 0.007),
        "short": (0.02, 0.055),
        "medium": (0.10, 0.19),
        "long": (0.24, 0.38),
        "tied": (0.10, 0.14),
        "curls": (0.05, 0.12),
    }
    coils = (0.003, 0.010) if cut == "curls" or coiled else (0.0005, 0.005)
    waves = (0.014, 0.030) if cut == "curls" or coiled else (0.05, 0.14)
    grey = random.random() < max(0.0, age - 0.45) * 1.4
    parting = random.choice([0.0, -0.4, 0.4, np.nan] if cut in ("medium", "long") else [-0.45, 0.45, np.nan])
    beard = 0.0
    if manly:
        beard = float(random.choice([0.0, random.uniform(3e-4, 9e-4), 0.0015, random.uniform(0.004, 0.022)]))
    return Hair(
        cut,
        float(random.uniform(*lengths[cut])),
        float(random.uniform(0.1, 0.9)),
        float(parting),
        float(random.uniform(*coils)),
        float(random.uniform(*waves)),
        float(random.uniform(0.052, 0.068)) + (0.012 * age if manly else 0.0),
        float(np.clip(random.normal(age - 0.55, 0.25), 0, 0.8)) if manly else 0.0,
        HAIR_COLORS[_hair_color(random, ita, grey)],
        beard,
        bool(random.random() < 0.3),
        float(random.uniform(0.6, 1.3) * (1.2 if manly else 0.9)),
    )


def _hair_color(random: np.random.Generator, ita: float, grey: bool) -> str:
    if grey:
        return str(random.choice(["grey", "grey", "white"]))
    if ita < 28:
        return str(random.choice(["black", "dark brown"], p=[0.75, 0.25]))
    names = ["black", "dark brown", "brown", "light brown", "blond", "red"]
    return str(random.choice(names, p=[0.16, 0.26, 0.24, 0.16, 0.12, 0.06]))


def _iris(random: np.random.Generator, ita: float) -> str:
    if ita < 28:
        return str(random.choice(["dark brown", "brown"], p=[0.75, 0.25]))
    return str(random.choice(list(IRIS_LAB), p=[0.18, 0.26, 0.16, 0.10, 0.10, 0.20]))


def _cloth(random: np.random.Generator) -> tuple[float, float, float]:
    """A colour of cloth: half of them greys, the others not too strong."""
    chroma = 0.0 if random.random() < 0.5 else random.uniform(8, 38)
    hue = random.uniform(0, 2 * np.pi)
    return float(random.uniform(14, 88)), float(chroma * np.cos(hue)), float(chroma * np.sin(hue))
