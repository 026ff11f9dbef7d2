"""Which triangle of a mesh each pixel of a picture shows: a depth buffer on the CPU."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Camera
from fastavatar.geometry import Array, Bools, Ints
from fastavatar.rendering import NEAR_M, kernel


@dataclass(frozen=True)
class Fragments:
    """What a camera sees of a mesh through the centre of each pixel."""

    face: Ints
    """(H, W) index of the triangle, −1 where there is none."""
    weights: Array
    """(H, W, 3) barycentric weights of its corners at the place that is seen."""
    depth: Array
    """(H, W) along the camera's z axis, metres; infinite where there is none."""

    @property
    def hit(self) -> Bools:
        """(H, W) which pixels show the mesh."""
        return self.face >= 0


def rasterise_mesh(vertices: Array, faces: Ints, camera: Camera) -> Fragments:
    """The nearest triangle at every pixel, of either side, for vertices (V, 3) and faces (F, 3)."""
    places = torch.from_numpy(np.ascontiguousarray(vertices, np.float64))
    pixels, depth = (values.numpy() for values in camera.to("cpu", torch.float64).project(places))
    shape = (camera.height, camera.width)
    found = Fragments(np.full(shape, -1, np.int64), np.zeros((*shape, 3)), np.full(shape, np.inf))
    _fill(pixels, depth, faces, found.face, found.weights, found.depth)
    return found


@kernel
def _fill(
    pixels: Array, depth: Array, faces: Ints, face: NDArray[np.int64], weights: Array, nearest: Array
) -> None:
    """Edge functions over each triangle's bounding box; perspective-correct depth and weights."""
    height, width = face.shape
    for index in range(len(faces)):
        i, j, k = faces[index]
        if min(depth[i], depth[j], depth[k]) < NEAR_M:
            continue
        x0, y0, x1, y1, x2, y2 = (
            pixels[i, 0],
            pixels[i, 1],
            pixels[j, 0],
            pixels[j, 1],
            pixels[k, 0],
            pixels[k, 1],
        )
        area = (y1 - y2) * (x0 - x2) + (x2 - x1) * (y0 - y2)
        if abs(area) < 1e-12:
            continue
        left, right = max(0, int(np.floor(min(x0, x1, x2)))), min(width, int(np.ceil(max(x0, x1, x2))))
        top, bottom = max(0, int(np.floor(min(y0, y1, y2)))), min(height, int(np.ceil(max(y0, y1, y2))))
        for row in range(top, bottom):
            for column in range(left, right):
                x, y = column + 0.5, row + 0.5
                a = ((y1 - y2) * (x - x2) + (x2 - x1) * (y - y2)) / area
                b = ((y2 - y0) * (x - x2) + (x0 - x2) * (y - y2)) / area
                c = 1 - a - b
                if min(a, b, c) < -1e-9:
                    continue
                # 1/z is linear in the picture, and so is each weight divided by z
                z = 1 / (a / depth[i] + b / depth[j] + c / depth[k])
                if z < nearest[row, column]:
                    nearest[row, column] = z
                    face[row, column] = index
                    weights[row, column, 0] = a / depth[i] * z
                    weights[row, column, 1] = b / depth[j] * z
                    weights[row, column, 2] = c / depth[k] * z
