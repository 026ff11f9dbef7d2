"""An ellipsoid of the synthetic head's size as a surface of points."""

import numpy as np

from fastavatar.surfaces import Surface
from tests.synthetic_capture import RADII_M, fibonacci_directions


def ellipsoid(count: int = 600) -> Surface:
    directions = fibonacci_directions(count).double().numpy()
    normals = directions / np.array(RADII_M)
    return Surface(directions * RADII_M, normals / np.linalg.norm(normals, axis=1, keepdims=True))
