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


def spline(coefficients: Tensor, places: Tensor) -> Tensor:
    """Values (N, ...) of the cubic B-spline of coefficients (X, Y, Z, ...) at places (N, 3) in cells.

    With `scipy.ndimage.spline_filter` of a volume as coefficients it passes through the volume's values, with
    continuous second derivatives. Place 0 is the centre of the first cell; places lie within the volume.
    """
    last = torch.tensor(coefficients.shape[:3], device=places.device) - 1
    first = torch.minimum(places.detach().floor().long(), last - 1)
    t = places - first
    weights = (
        torch.stack([(1 - t) ** 3, (3 * t - 6) * t**2 + 4, ((-3 * t + 3) * t + 3) * t + 1, t**3], -1) / 6
    )
    index = (first[..., None] + torch.arange(-1, 3, device=places.device)).abs()
    x, y, z = (last[:, None] - (last[:, None] - index).abs()).unbind(1)  # mirrored at both ends
    at = coefficients[x[:, :, None, None], y[:, None, :, None], z[:, None, None, :]]
    values: Tensor = torch.einsum("na,nb,nc,nabc...->n...", *weights.unbind(1), at)
    return values


def _cell(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The first of the two cells around each place (...), and how far (...) it is to the second, 0…1."""
    inside = place.clamp(0, size - 1)
    first = inside.detach().floor().long().clamp(max=max(size - 2, 0))
    return first, inside - first
