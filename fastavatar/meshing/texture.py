"""The texture of a mesh from the Gaussians that are bound to it: they are drawn in the texture's own plane.

A Gaussian on a triangle goes from space to the texture by the triangle's affine map with Jacobian J (2, 3):
its centre moves to J (μ − p) + q, where p on the mesh has the texture coordinate q, its covariance becomes
J Σ Jᵀ. No view has to see a place, and none of a background's colour can enter. Discs that overlap cover each
other as they do before the photo's camera, or one opposite it, so that the photo's detail stays in place.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import find_objects
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from fastavatar.core import Avatar, Camera, Gaussians, Mesh
from fastavatar.geometry import Array, Ints, matrix_from_quaternion_wxyz
from fastavatar.meshing import rasterise_layout
from fastavatar.rendering import render

_FOCAL_PX = 4000.0
"""Focal length of the camera that draws the plane; it cancels out."""
_LEAST_UV_AREA = 1e-12


def draw_texture(mesh: Mesh, avatar: Avatar, size_px: int) -> tuple[Tensor, Tensor]:
    """Colours, sRGB in 0…1 times alpha, and alpha (H, W, 4) in the texture, and which texels (H, W) it uses.

    The first triangles of `mesh` are those of the avatar's own mesh. Gaussians that are bound to no triangle
    in the texture are left out.
    """
    assert mesh.uv is not None and mesh.uv_faces is not None
    uv, uv_faces = mesh.uv.double().numpy(), mesh.uv_faces.numpy()
    layout = rasterise_layout(uv, uv_faces, size_px)
    charts = _charts(uv_faces, len(uv))
    chart = np.where(layout.used, charts[layout.face], -1)
    flat = _in_texture(mesh, avatar, np.stack([uv[:, 0], 1 - uv[:, 1]], 1) * size_px)
    drawn = np.zeros((size_px, size_px, 4), np.float32)
    windows = find_objects(chart + 1)
    for number in np.unique(charts[flat.face]):
        window = windows[number] if number < len(windows) else None
        if window is not None:
            layer = flat.drawn(np.flatnonzero(charts[flat.face] == number), window)
            np.copyto(drawn[window], layer, where=(chart[window] == number)[..., None])
    return torch.from_numpy(drawn), torch.from_numpy(layout.used)


@dataclass(frozen=True)
class _Flat:
    """Gaussians in the texture's plane, N of them."""

    face: Ints
    """(N,) the triangle that each lies on."""
    center: Array
    """(N, 2) texels: column, row."""
    spread: Array
    """(N, 2) standard deviations along its own axes, texels."""
    angle: Array
    """(N,) direction of the first axis, radians."""
    depth: Array
    """(N,) for the order in which they cover each other, metres from any plane behind which all lie."""
    gaussians: Gaussians
    """Opacities and colours."""

    def drawn(self, chosen: Ints, window: tuple[slice, slice]) -> Array:
        """(H, W, 4) colours times alpha, and alpha, of some of them in a window of the texture."""
        rows, columns = window
        height, width = rows.stop - rows.start, columns.stop - columns.start
        depth = self.depth[chosen]
        # x = (u − u₀) z / f puts a Gaussian at its texel whatever its depth, which then only sorts
        per_px = depth / _FOCAL_PX
        middle = np.array([columns.start + width / 2, rows.start + height / 2])
        x, y = ((self.center[chosen] - middle) * per_px[:, None]).T
        scales = np.concatenate([self.spread[chosen] * per_px[:, None], np.full((len(chosen), 1), 1e-9)], 1)
        half, zeros = self.angle[chosen] / 2, np.zeros(len(chosen))
        own = self.gaussians.subset(torch.from_numpy(chosen))
        flat = Gaussians(
            torch.from_numpy(np.stack([x, y, depth], 1)).float(),
            torch.from_numpy(np.stack([np.cos(half), zeros, zeros, np.sin(half)], 1)).float(),
            torch.from_numpy(scales).float().log(),
            own.opacity_logits,
            own.sh[:, :1],
        )
        K = torch.tensor([[_FOCAL_PX, 0, width / 2], [0, _FOCAL_PX, height / 2], [0, 0, 1]])
        with torch.no_grad():
            view = render(flat, Camera(K, torch.eye(4), width, height), (0.0, 0.0, 0.0))
        return torch.cat([view.image, view.alpha[..., None]], 2).numpy()


def _in_texture(mesh: Mesh, avatar: Avatar, texels: Array) -> _Flat:
    """The Gaussians in the plane of the texture, whose coordinates have places `texels` (U, 2) there."""
    assert mesh.uv_faces is not None and avatar.mesh is not None and avatar.binding is not None
    faces, corners = avatar.mesh.faces.numpy(), avatar.binding.corners.numpy()
    owner = _owners(faces, corners)
    q = texels[mesh.uv_faces.numpy()]
    area = np.abs(_cross(q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]))
    chosen = np.flatnonzero((owner >= 0) & (area[owner] > _LEAST_UV_AREA))
    owner, corners = owner[chosen], corners[chosen]
    # The binding may name a triangle's corners in another order than the mesh
    weights = avatar.binding.weights.double().numpy()[chosen]
    q = np.einsum("nij,nic->njc", (faces[owner][:, :, None] == corners[:, None, :]).astype(float), q[owner])
    p = mesh.vertices.double().numpy()[corners]
    g = avatar.gaussians.detach().to("cpu", torch.float64).subset(torch.from_numpy(chosen))
    J = _jacobians(p, q)
    away = g.means.numpy() - np.einsum("nk,nkc->nc", weights, p)
    axes = J @ (matrix_from_quaternion_wxyz(g.quats_wxyz) * g.scales[:, None, :]).numpy()
    covariance = axes @ axes.transpose(0, 2, 1)
    # Closed form of the eigenvalues of a symmetric 2×2 matrix [[a, b], [b, c]]
    a, b, c = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 1]
    mean, reach = (a + c) / 2, np.hypot((a - c) / 2, b)
    return _Flat(
        owner,
        np.einsum("nk,nkc->nc", weights, q) + np.einsum("nij,nj->ni", J, away),
        np.sqrt(np.maximum(np.stack([mean + reach, mean - reach], 1), 1e-8)),
        np.arctan2(2 * b, a - c) / 2,
        _depths(avatar.camera, g.means, mesh.normals()[torch.from_numpy(faces[owner])].mean(1)),
        g.to("cpu", torch.float32),
    )


def _depths(camera: Camera, means: Tensor, normals: Tensor) -> Array:
    """Depths (N,) of means (N, 3) before the camera, or one opposite where normals (N, 3) turn away."""
    eye = camera.to("cpu", torch.float64)
    depth = eye.project(means)[1]
    facing = (normals.double() * (eye.center - means)).sum(1) > 0
    ordered = torch.where(facing, depth, depth.max() + depth.min() - depth)
    return (ordered - ordered.min() + 1).numpy()


def _jacobians(p: Array, q: Array) -> Array:
    """Affine maps (N, 2, 3) from triangles `p` (N, 3, 3) in space to `q` (N, 3, 2), normals going to 0.

    J = Q (EᵀE)⁻¹ Eᵀ, with two sides of the triangle in the columns of E and their images in those of Q.
    """
    E = np.stack([p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]], 2)
    Q = np.stack([q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]], 2)
    square = E.transpose(0, 2, 1) @ E
    a, b, c = square[:, 0, 0], square[:, 0, 1], square[:, 1, 1]
    adjoint = np.stack([np.stack([c, -b], 1), np.stack([-b, a], 1)], 1)
    inverse = adjoint / np.maximum(a * c - b * b, 1e-24)[:, None, None]
    return np.asarray(Q @ inverse @ E.transpose(0, 2, 1))


def _owners(faces: Ints, corners: Ints) -> Ints:
    """The triangle (N,) with the corners (N, 3) in any order; −1 where there is none."""
    size = int(max(faces.max(), corners.max(initial=0))) + 1

    def keys(rows: Ints) -> Ints:
        low, middle, high = np.sort(rows, axis=1).T
        return np.asarray((low * size + middle) * size + high)

    known = keys(faces)
    order = np.argsort(known, kind="stable")
    wanted = keys(corners)
    at = order[np.searchsorted(known, wanted, sorter=order).clip(max=len(known) - 1)]
    return np.where(known[at] == wanted, at, -1)


def _charts(uv_faces: Ints, count: int) -> Ints:
    """The number of the chart (F,) that each triangle lies in: charts share no texture coordinate."""
    start, end = uv_faces[:, [0, 1]].ravel(), uv_faces[:, [1, 2]].ravel()
    links = coo_matrix((np.ones(len(start)), (start, end)), (count, count))
    return np.asarray(connected_components(links, directed=False)[1][uv_faces[:, 0]])


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
