"""Pictures of a textured or coloured mesh, as `render` makes them of Gaussians."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from fastavatar.core import Camera, Mesh
from fastavatar.rendering import Fragments, Render, rasterise_mesh

FINENESS = 2
"""Samples along each side of a pixel, which smooth the outline and the texture."""
AMBIENT, GREY = 0.25, 0.8
"""Light from everywhere, as a share of all light, and the colour of a mesh that has none."""


def draw_mesh(mesh: Mesh, camera: Camera, background: Sequence[float] | Tensor = (1.0, 1.0, 1.0)) -> Render:
    """Draw `mesh` as `camera` sees it over one colour (3,): its texture, else the colours of its vertices.

    Both are shown as they are, without light. A triangle without area in the texture shows the colours of its
    vertices, too. A mesh without either is grey, lit from the camera. Not differentiable.
    """
    fine = camera.to("cpu", torch.float64).resized(FINENESS * camera.width, FINENESS * camera.height)
    vertices, faces = mesh.vertices.detach().double().cpu().numpy(), mesh.faces.cpu().numpy()
    seen = rasterise_mesh(vertices, faces, fine)
    hit = torch.from_numpy(seen.hit)
    color = torch.zeros(fine.height, fine.width, 3)
    color[hit] = _colors(mesh, seen, fine).float()
    depth = torch.where(hit, torch.from_numpy(seen.depth).float(), 0.0)
    alpha = _coarse(hit.float())
    over = torch.as_tensor(background, dtype=torch.float32)
    image = torch.stack([_coarse(color[..., k]) for k in range(3)], 2) + over * (1 - alpha[..., None])
    return Render(image, alpha, _coarse(depth) / alpha.clamp(min=1e-6))


def texture_colors(texture: Tensor, uv: Tensor) -> Tensor:
    """Colours (N, 3) in 0…1 of a texture (H, W, 3), uint8, at coordinates (N, 2), between four texels."""
    height, width = texture.shape[:2]
    size = torch.tensor([width, height], dtype=torch.float64)
    place = torch.stack([uv[:, 0], 1 - uv[:, 1]], 1).double() * size - 0.5
    place = torch.minimum(place.clamp(min=0), size - 1)
    first = place.floor().long()
    second = torch.minimum(first + 1, size.long() - 1)
    x, y = (place - first).unbind(1)
    # Each texel by the area of the rectangle opposite
    colors = torch.zeros(len(uv), 3, dtype=torch.float64)
    for column, across in ((first[:, 0], 1 - x), (second[:, 0], x)):
        for row, down in ((first[:, 1], 1 - y), (second[:, 1], y)):
            colors += (across * down)[:, None] * texture[row, column].double()
    return colors / 255


def _colors(mesh: Mesh, seen: Fragments, camera: Camera) -> Tensor:
    """(N, 3) what the N pixels that show the mesh have for colour."""
    face = torch.from_numpy(seen.face[seen.hit])
    weights = torch.from_numpy(seen.weights[seen.hit])

    def at(values: Tensor, corners: Tensor) -> Tensor:
        interpolated: Tensor = torch.einsum("nk,nkc->nc", weights, values.double()[corners[face]])
        return interpolated

    plain = None if mesh.colors is None else at(mesh.colors, mesh.faces)
    if mesh.texture is None or mesh.uv is None:
        return _lit(mesh, at, camera) if plain is None else plain
    uv_faces = mesh.faces if mesh.uv_faces is None else mesh.uv_faces
    textured = texture_colors(mesh.texture, at(mesh.uv, uv_faces))
    if plain is None:
        return textured
    a, b, c = mesh.uv.double()[uv_faces].unbind(1)
    areas: Tensor = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    chosen: Tensor = torch.where((areas.abs() < 1e-12)[face][:, None], plain, textured)
    return chosen


def _lit(mesh: Mesh, at: Callable[[Tensor, Tensor], Tensor], camera: Camera) -> Tensor:
    """(N, 3) greys of a dull surface, by the cosine between its normal and the way to the camera."""
    normals = at(mesh.normals(), mesh.faces)
    toward = camera.center - at(mesh.vertices, mesh.faces)
    cosine = (normals * toward).sum(1) / (normals.norm(dim=1) * toward.norm(dim=1)).clamp(min=1e-12)
    shade: Tensor = GREY * (AMBIENT + (1 - AMBIENT) * cosine.clamp(min=0))
    return shade[:, None].expand(-1, 3)


def _coarse(values: Tensor) -> Tensor:
    """Means (H, W) of the samples (2H, 2W) of each pixel."""
    return avg_pool2d(values[None, None], FINENESS)[0, 0]
