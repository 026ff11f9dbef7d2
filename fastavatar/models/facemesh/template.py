"""The head template: a closed, symmetric mesh whose first vertices are Face Mesh's landmarks.

`python -m scripts.head_template` makes the file.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from fastavatar.geometry import Array, Ints

LANDMARKS = 478
"""Landmarks of Face Mesh; the last ten describe the irises."""
FACE, SKULL, EAR, NECK, TORSO, JAW = range(6)
"""What `HeadTemplate.region` holds."""


@dataclass(frozen=True)
class HeadTemplate:
    """An average adult head in the head frame."""

    vertices: Array
    """(V, 3) metres; the first 478 are Face Mesh's landmarks in their order."""
    faces: Ints
    """(F, 3) triangles, counter-clockwise from outside."""
    mirror: Ints
    """(V,) the vertex at the same place on the other half."""
    region: Ints
    """(V,) `FACE`, `SKULL`, `EAR`, `NECK`, `TORSO` or `JAW`."""


@cache
def load_template() -> HeadTemplate:
    """The template shipped with the package."""
    with files(__package__).joinpath("head_template.npz").open("rb") as file:
        data = np.load(file)
        return HeadTemplate(
            data["vertices"].astype(np.float64),
            data["faces"].astype(np.int64),
            data["mirror"].astype(np.int64),
            data["region"].astype(np.int64),
        )
