"""Values of pictures and volumes between their cells, differentiable twice with respect to the place.

Normals are the gradient of the distance and stand in the loss themselves. `torch.nn.functional.grid_sample`
has no second derivative.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding


def bilinear(maps: Tensor, pixels: Tensor) -> Tensor:
    """Values (B, N, C) of pictures (B, C, H, W) at pixels (B, N, 2): x across, y down.

    The centre of the first pixel lies at (0.5, 0.5). Beyond the picture its edge continues.
    """
    batch, channels, height, width = maps.shape
    column, across = _cell(pixels[..., 0] - 0.5, width)
    row, down = _cell(pixels[..., 1] - 0.5, height)
    rows = maps.permute(0, 2, 3, 1).reshape(-1, channels)
    first = torch.arange(batch, device=maps.device)[:, None] * (height * width) + row * width + column
    values = torch.zeros(())
    for dy, y in ((0, 1 - down), (1, down)):
        for dx, x in ((0, 1 - across), (1, across)):
            values = values + (y * x)[..., None] * embedding(first + dy * width + dx, rows)
    return values


def trilinear(volume: Tensor, places: Tensor) -> Tensor:
    """Values (N,) of a volume (X, Y, Z) at places (N, 3) in cells; 0 is the centre of the first cell.

    Beyond the volume its faces continue.
    """
    _, ny, nz = volume.shape
    cells = [_cell(places[:, axis], size) for axis, size in enumerate(volume.shape)]
    (i, x), (j, y), (k, z) = cells
    flat, first = volume.reshape(-1), (i * ny + j) * nz + k
    values = torch.zeros(())
    for di, wx in ((0, 1 - x), (1, x)):
        for dj, wy in ((0, 1 - y), (1, y)):
            for dk, wz in ((0, 1 - z), (1, z)):
                values = values + wx * wy * wz * flat[first + (di * ny + dj) * nz + dk]
    return values


def _cell(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The first of the two cells around each place (...), and how far (...) it is to the second, 0…1."""
    inside = place.clamp(0, size - 1)
    first = inside.detach().floor().long().clamp(max=max(size - 2, 0))
    return first, inside - first
