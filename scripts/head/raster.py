"""A small triangle rasteriser: which point of the surface each pixel of a camera sees."""

from dataclasses import dataclass

import numba
import numpy as np

from fastavatar.geometry import Array, Bools, Ints


@dataclass(frozen=True)
class Seen:
    """What a picture sees of a mesh."""

    triangle: Ints
    """(H, W) index of the triangle at the pixel's centre, -1 where there is none."""
    weights: Array
    """(H, W, 3) barycentric weights of its corners, perspective-correct."""
    depth: Array
    """(H, W) metres along the optical axis; infinite where there is no triangle."""

    @property
    def covered(self) -> Bools:
        """(H, W) whether a triangle is seen."""
        return self.triangle >= 0


def see(
    vertices: Array, faces: Ints, intrinsics: Array, world_to_camera: Array, size: tuple[int, int]
) -> Seen:
    """The nearest surface at each pixel of a picture of `size` (width, height).

    `vertices` (V, 3) and `faces` (F, 3) are the mesh, `intrinsics` (3, 3) pixels and `world_to_camera` (4, 4)
    the camera, OpenCV axes. The whole mesh must lie in front of the camera.
    """
    in_camera = vertices @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]
    pixels = in_camera[:, :2] / in_camera[:, 2:] * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]
    width, height = size
    triangle = np.full((height, width), -1, np.int64)
    weights, depth = np.zeros((height, width, 3)), np.full((height, width), np.inf)
    _draw(pixels, np.ascontiguousarray(in_camera[:, 2]), faces, triangle, weights, depth)
    return Seen(triangle, weights, depth)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _draw(pixels: Array, z: Array, faces: Ints, triangle: Ints, weights: Array, depth: Array) -> None:
    height, width = triangle.shape
    for face in range(len(faces)):
        a, b, c = faces[face]
        ax, ay, bx, by, cx, cy = (
            pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
        )  # fmt: skip
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-12:
            continue
        for row in range(max(0, int(min(ay, by, cy) - 0.5)), min(height, int(max(ay, by, cy) + 0.5) + 1)):
            for column in range(
                max(0, int(min(ax, bx, cx) - 0.5)), min(width, int(max(ax, bx, cx) + 0.5) + 1)
            ):
                x, y = column + 0.5, row + 0.5
                v = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                w = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                u = 1 - v - w
                if u < 0 or v < 0 or w < 0:
                    continue
                # 1/z is linear in the picture, z is not
                inverse = u / z[a] + v / z[b] + w / z[c]
                if 1 / inverse < depth[row, column]:
                    depth[row, column] = 1 / inverse
                    triangle[row, column] = face
                    weights[row, column, 0] = u / z[a] / inverse
                    weights[row, column, 1] = v / z[b] / inverse
                    weights[row, column, 2] = w / z[c] / inverse
