"""Cuts in a texture: both sides get the same colours, and texels around the charts are filled."""

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Mesh
from fastavatar.geometry import Array, Ints
from fastavatar.rendering import kernel

_REACH_PX = 6
"""Texels over which a correction at a seam fades; charts lie at least 10 apart."""


def levelled(texture: Tensor, mesh: Mesh) -> Tensor:
    """The texture (H, W, 3), in 0…1, with the same colours on both sides of each seam of `mesh`.

    Each side moves to the mean of both, and the correction fades within a few texels, as in the mosaics of
    Lempitsky and Ivanov 2007, in one pass.
    """
    here, there = seam_points(mesh, *texture.shape[:2])
    if not len(here):
        return texture
    pixels = texture.numpy().copy()
    a, b = bilinear(pixels, here), bilinear(pixels, there)
    places, wanted = np.concatenate([here, there]), np.concatenate([b - a, a - b]) / 2
    sums, total = np.zeros_like(pixels), np.zeros(pixels.shape[:2], np.float32)
    nearest = np.zeros_like(total)
    _spread(places, wanted, sums, total, nearest)
    at = np.nonzero(total)
    pixels[at] = (pixels[at] + sums[at] * (nearest[at] / total[at])[:, None]).clip(0, 1)
    return torch.from_numpy(pixels)


@kernel
def _spread(places: Array, wanted: Array, sums: Array, total: Array, nearest: Array) -> None:
    """Add corrections (N, 3) to `sums` (H, W, 3), weights to `total` (H, W) around places (N, 2)."""
    height, width = total.shape
    for point in range(len(places)):
        x, y = places[point]
        left, top = int(np.floor(x)), int(np.floor(y))
        for row in range(max(top - _REACH_PX, 0), min(top + _REACH_PX + 1, height)):
            for column in range(max(left - _REACH_PX, 0), min(left + _REACH_PX + 1, width)):
                weight = 1 - np.hypot(column + 0.5 - x, row + 0.5 - y) / _REACH_PX
                if weight > 0:
                    weight *= weight
                    total[row, column] += weight
                    nearest[row, column] = max(nearest[row, column], weight)
                    for k in range(3):
                        sums[row, column, k] += weight * wanted[point, k]


def seam_points(mesh: Mesh, height: int, width: int) -> tuple[Array, Array]:
    """Points (N, 2) along all seams of a texture of that size, about one a texel: on one side, and the other.

    Each is a column and a row, where texel 0 is at 0.5.
    """
    assert mesh.uv is not None and mesh.uv_faces is not None
    faces, uv_faces = mesh.faces.numpy(), mesh.uv_faces.numpy()
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    places = np.concatenate([uv_faces[:, [0, 1]], uv_faces[:, [1, 2]], uv_faces[:, [2, 0]]])
    swapped = ends[:, 0] > ends[:, 1]
    ends[swapped], places[swapped] = ends[swapped, ::-1], places[swapped, ::-1]
    order = np.lexsort(ends.T)
    ends, places = ends[order], places[order]
    # The two triangles of an edge follow each other
    first = np.flatnonzero((ends[1:] == ends[:-1]).all(1) & (places[1:] != places[:-1]).any(1))
    uv = mesh.uv.double().numpy()
    texels = np.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height], 1)
    return _along(texels[places[first]], texels[places[first + 1]])


def _along(one: Array, other: Array) -> tuple[Array, Array]:
    """Points at the same shares of the segments (E, 2, 2) of two sides; segments without length have none."""
    length = np.maximum(*(np.linalg.norm(side[:, 1] - side[:, 0], axis=1) for side in (one, other)))
    both = np.minimum(*(np.linalg.norm(side[:, 1] - side[:, 0], axis=1) for side in (one, other)))
    counts = np.where(both > 1e-6, np.ceil(length).astype(np.int64), 0)
    edge = np.repeat(np.arange(len(one)), counts)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = ((number + 0.5) / counts[edge])[:, None]
    a, b = ((1 - share) * side[edge, 0] + share * side[edge, 1] for side in (one, other))
    return a, b


def bilinear(pixels: Array, places: Array) -> Array:
    """Colours (N, 3) of a picture (H, W, 3) at places (N, 2), column and row, where texel 0 is at 0.5."""
    size = np.array(pixels.shape[1::-1])
    at = (places - 0.5).clip(0, size - 1.0)
    low: Ints = np.minimum(np.floor(at).astype(np.int64), size - 2)
    x, y = (at - low).T[..., None]
    column, row = low.T
    top = (1 - x) * pixels[row, column] + x * pixels[row, column + 1]
    below = (1 - x) * pixels[row + 1, column] + x * pixels[row + 1, column + 1]
    return np.asarray((1 - y) * top + y * below)


def padded(texture: Tensor, used: Tensor) -> Tensor:
    """The texture (H, W, 3) with texels that are not `used` (H, W) filled from those around them.

    Filled by push and pull (Gortler et al. 1996): each coarser picture is the mean of the used texels of the
    finer one, so that charts grow into their surroundings, and smaller pictures of the texture have no rim.
    """
    weight = used.float()[..., None]
    if texture.shape[0] % 2 or texture.shape[0] < 2 or bool(used.all()):
        mean = (texture * weight).sum((0, 1)) / weight.sum().clamp(min=1)
        return torch.where(used[..., None], texture, mean)
    summed = _quarter(texture * weight) / _quarter(weight).clamp(min=1e-6)
    coarse = padded(summed, _quarter(weight)[..., 0] > 0)
    fine = coarse.repeat_interleave(2, 0).repeat_interleave(2, 1)
    return torch.where(used[..., None], texture, fine)


def _quarter(values: Tensor) -> Tensor:
    """Sums (H/2, W/2, C) of 2×2 neighbours."""
    rows = values[0::2] + values[1::2]
    return rows[:, 0::2] + rows[:, 1::2]
