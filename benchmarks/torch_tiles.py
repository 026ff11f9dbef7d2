"""Rendering without a rasteriser: a torch loop over tiles, differentiated by autograd."""

import torch
from torch import Tensor

from fastavatar.core import Camera, Gaussians
from fastavatar.rendering.constants import TILE
from fastavatar.rendering.reference import Splats, composite, pixel_centers, project


def render_in_tiles(gaussians: Gaussians, camera: Camera) -> Tensor:
    """Image (H, W, 3) over white."""
    splats = project(gaussians, camera)
    reach = 3.33 * splats.cov2d.detach().diagonal(dim1=1, dim2=2).sqrt()
    low, high = splats.means2d.detach() - reach, splats.means2d.detach() + reach
    pixels = pixel_centers(camera.width, camera.height).view(camera.height, camera.width, 2)
    bands = []
    for top in range(0, camera.height, TILE):
        band = pixels[top : top + TILE]
        in_band = ((low[:, 1] < top + TILE) & (high[:, 1] > top)).nonzero()[:, 0]
        tiles = []
        for left in range(0, camera.width, TILE):
            inside = (low[in_band, 0] < left + TILE) & (high[in_band, 0] > left)
            own = in_band[inside]
            tile = band[:, left : left + TILE]
            color, alpha, _ = composite(pick(splats, own), tile.reshape(-1, 2))
            tiles.append((color + 1 - alpha[:, None]).view(*tile.shape[:2], 3))
        bands.append(torch.cat(tiles, 1))
    return torch.cat(bands)


def pick(splats: Splats, index: Tensor) -> Splats:
    """The splats at `index` (M,), in that order."""
    return Splats(
        splats.means2d[index],
        splats.cov2d[index],
        splats.depths[index],
        splats.opacities[index],
        splats.colors[index],
    )
