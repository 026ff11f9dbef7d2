"""Colours of human skin, hair, eyes and cloth, as linear RGB reflectance.

Skin follows the individual typology angle, ITA = atan((L* − 50) / b*), by which dermatology sorts skin from
very light (above 55°) over light (41°), intermediate (28°), tan (10°) and brown (−30°) to dark below
(Chardon, Cretois and Hourseau 1991; Del Bino and Bernerd 2013). Angles are drawn evenly from −60° to 65°,
so that no tone is rare. a* and b* at each angle are round figures in the ranges that these papers plot: b* is
highest for tan skin and falls towards both ends.
"""

import numpy as np
from skimage.color import lab2rgb

from fastavatar.geometry import Array

ITA_DEG = (-60.0, 65.0)
"""Darkest and lightest skin."""
_ANGLES = (-60, -30, 10, 28, 41, 55, 65)
_A = (8.0, 11.0, 12.0, 11.5, 10.5, 9.5, 8.5)
_B = (11.0, 16.0, 19.0, 18.0, 16.0, 13.5, 11.5)


def skin_lab(ita_deg: float) -> Array:
    """L*, a*, b* (3,) of skin with an individual typology angle."""
    a, b = np.interp(ita_deg, _ANGLES, _A), np.interp(ita_deg, _ANGLES, _B)
    return np.array([50 + b * np.tan(np.radians(ita_deg)), a, b])


def linear_rgb(lab: Array) -> Array:
    """Linear RGB (..., 3) in 0…1 of L*, a*, b* (..., 3) under D65."""
    return linear(np.clip(lab2rgb(np.asarray(lab, np.float64)), 0, 1))  # it would scale integers


def linear(colors: Array) -> Array:
    """Linear RGB of sRGB in 0…1."""
    return np.asarray(np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4))


def encoded(colors: Array) -> Array:
    """SRGB of linear RGB in 0…1."""
    return np.asarray(np.where(colors <= 0.0031308, 12.92 * colors, 1.055 * colors ** (1 / 2.4) - 0.055))


_EUMELANIN, _PHEOMELANIN = np.array([0.419, 0.697, 1.37]), np.array([0.187, 0.4, 1.05])
"""Absorption of a unit of each pigment in hair, RGB (d'Eon et al. 2011)."""
HAIR_COLORS = {
    "black": 6.0 * _EUMELANIN + 0.5 * _PHEOMELANIN,
    "dark brown": 2.4 * _EUMELANIN + 0.5 * _PHEOMELANIN,
    "brown": 1.2 * _EUMELANIN + 0.5 * _PHEOMELANIN,
    "light brown": 0.65 * _EUMELANIN + 0.35 * _PHEOMELANIN,
    "blond": 0.28 * _EUMELANIN + 0.18 * _PHEOMELANIN,
    "red": 0.5 * _EUMELANIN + 1.3 * _PHEOMELANIN,
    "grey": np.array([0.55, 0.58, 0.62]),  # of pigmented and white hair together, which is neutral
    "white": np.array([0.07, 0.08, 0.11]),
}
"""Absorption (3,) of hair by its colour: amounts of the pigments chosen by eye."""


def hair_reflectance(absorption: Array) -> Array:
    """Linear RGB (3,) of a mass of hair with this absorption (3,).

    The fit of Chiang et al. 2016 for the colour after many bounces between fibres of azimuthal roughness 0.3.
    """
    roughness = 0.3
    fit = (
        5.969
        - 0.215 * roughness
        + 2.532 * roughness**2
        - 10.73 * roughness**3
        + 5.574 * roughness**4
        + 0.245 * roughness**5
    )
    return np.asarray(np.exp(-np.sqrt(absorption) * fit))


IRIS_LAB = {
    "dark brown": (18.0, 8.0, 10.0),
    "brown": (28.0, 12.0, 18.0),
    "hazel": (38.0, 6.0, 20.0),
    "green": (45.0, -6.0, 14.0),
    "grey": (52.0, -2.0, -3.0),
    "blue": (48.0, -4.0, -16.0),
}
"""L*, a*, b* of irises, chosen by eye."""
