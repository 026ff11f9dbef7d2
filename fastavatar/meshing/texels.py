"""Which triangle each texel of a texture shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastavatar.geometry import Array, Bools, Ints
from fastavatar.rendering import Floats, kernel

OUTSIDE = -1e9
"""Height of a texel in the rim of a triangle, less its distance: any triangle that it lies in comes first."""


@dataclass(frozen=True)
class Layout:
    """The triangles of a texture, texel by texel; row 0 lies at v = 1."""

    face: NDArray[np.int32]
    """(H, W) index of the triangle, −1 where there is none."""
    weights: Floats
    """(H, W, 3) barycentric weights of its corners, not negative, in the rim those of its nearest point."""
    height: Array
    """(H, W) of the triangle there, as given; below `OUTSIDE` in the rim and where there is none."""

    @property
    def used(self) -> Bools:
        """(H, W) which texels belong to a triangle."""
        return np.asarray(self.face >= 0)


def rasterise_layout(
    uv: Array, uv_faces: Ints, size: int, rim_px: float = 0.0, heights: Array | None = None
) -> Layout:
    """The layout of a texture (size, size) for coordinates (U, 2) and triangles (F, 3).

    Texels up to `rim_px` outside belong to the nearest triangle, if they lie in none. Of triangles that
    overlap the one with the greatest height counts, `heights` (U,) at the corners, by default the first.
    """
    places = np.stack([uv[:, 0] * size, (1 - uv[:, 1]) * size], 1)
    heights = np.zeros(len(uv)) if heights is None else heights
    found = Layout(
        np.full((size, size), -1, np.int32),
        np.zeros((size, size, 3), np.float32),
        np.full((size, size), 2 * OUTSIDE),
    )
    _fill(places, heights, uv_faces, rim_px, found.face, found.weights, found.height)
    return found


@kernel
def _fill(
    places: Array,
    heights: Array,
    faces: Ints,
    rim_px: float,
    face: NDArray[np.int32],
    weights: Floats,
    height: Array,
) -> None:
    """Distances from the three edges over each triangle's bounding box."""
    rows, columns = face.shape
    for index in range(len(faces)):
        i, j, k = faces[index]
        x0, y0, x1, y1, x2, y2 = (
            places[i, 0],
            places[i, 1],
            places[j, 0],
            places[j, 1],
            places[k, 0],
            places[k, 1],
        )
        area = (y1 - y2) * (x0 - x2) + (x2 - x1) * (y0 - y2)
        if abs(area) < 1e-9:
            continue
        # The height of the triangle above each edge turns a weight into a distance from that edge
        above0 = abs(area) / max(np.hypot(x2 - x1, y2 - y1), 1e-9)
        above1 = abs(area) / max(np.hypot(x0 - x2, y0 - y2), 1e-9)
        above2 = abs(area) / max(np.hypot(x1 - x0, y1 - y0), 1e-9)
        left = max(0, int(np.floor(min(x0, x1, x2) - rim_px)))
        right = min(columns, int(np.ceil(max(x0, x1, x2) + rim_px)))
        top = max(0, int(np.floor(min(y0, y1, y2) - rim_px)))
        bottom = min(rows, int(np.ceil(max(y0, y1, y2) + rim_px)))
        for row in range(top, bottom):
            for column in range(left, right):
                x, y = column + 0.5, row + 0.5
                a = ((y1 - y2) * (x - x2) + (x2 - x1) * (y - y2)) / area
                b = ((y2 - y0) * (x - x2) + (x0 - x2) * (y - y2)) / area
                c = 1 - a - b
                outside = -min(a * above0, b * above1, c * above2)
                if outside > rim_px:
                    continue
                here = a * heights[i] + b * heights[j] + c * heights[k]
                if outside > 1e-9:
                    here = OUTSIDE - outside
                if here > height[row, column]:
                    height[row, column] = here
                    face[row, column] = index
                    a, b, c = max(a, 0.0), max(b, 0.0), max(c, 0.0)
                    weights[row, column, 0] = a / (a + b + c)
                    weights[row, column, 1] = b / (a + b + c)
                    weights[row, column, 2] = c / (a + b + c)
