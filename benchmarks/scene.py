"""A scene for timing a renderer: Gaussians spread over a surface the size of a head, seen from the front."""

import math

import numpy as np
import torch
from scipy.spatial import KDTree

from fastavatar.core import Camera, Gaussians, encode_opacities, encode_scales, frontal_camera

HEAD_M = (0.085, 0.125, 0.105)
"""Half axes x, y, z of the surface, an ellipsoid."""


def head(count: int = 10_144, seed: int = 0) -> Gaussians:
    """`count` isotropic Gaussians of opacity 0.9 and SH degree 3; σ is the distance to the nearest three."""
    make = np.random.default_rng(seed)
    step = np.arange(count) + 0.5
    z, azimuth = 1 - 2 * step / count, step * math.pi * (3 - math.sqrt(5))
    ring = np.sqrt(1 - z * z)
    sphere = np.stack([ring * np.cos(azimuth), z, ring * np.sin(azimuth)], 1)
    means = sphere * HEAD_M * (1 + 0.01 * make.standard_normal((count, 1)))
    nearest = np.asarray(KDTree(means).query(means, k=4)[0])
    sigma_m = np.sqrt((nearest[:, 1:] ** 2).mean(1))
    sh = 0.1 * make.standard_normal((count, 16, 3)) + 0.5 * (np.arange(16) == 0)[None, :, None]
    return Gaussians(
        torch.from_numpy(means).float(),
        torch.from_numpy(make.standard_normal((count, 4))).float(),
        encode_scales(torch.from_numpy(sigma_m).float())[:, None].repeat(1, 3),
        encode_opacities(torch.full((count,), 0.9)),
        torch.from_numpy(sh).float(),
    )


def requiring_grad(gaussians: Gaussians) -> Gaussians:
    """A copy whose five parameters require gradients."""
    values = gaussians.tensors()
    return Gaussians(**{name: value.clone().requires_grad_() for name, value in values.items()})


def portrait(width: int, height: int) -> Camera:
    """A frontal camera at a distance of a metre; the head fills 90 % of its picture."""
    focal_px = 0.9 * min(width / (2 * HEAD_M[0]), height / (2 * HEAD_M[1]))
    return frontal_camera(1.0, focal_px, width, height)


def read_scene(path: str) -> tuple[Gaussians, Camera]:
    """Gaussians and the frontal camera of an npz file: means, quats, scales, opacities, sh, viewmats, Ks."""
    with np.load(path) as file:
        front = int(file["frontal"])
        part = {name: torch.from_numpy(file[name]).float() for name in ("means", "quats", "scales", "sh")}
        opacities = torch.from_numpy(file["opacities"]).float()
        K, pose = torch.from_numpy(file["Ks"][front]), torch.from_numpy(file["viewmats"][front])
        camera = Camera(K, pose, int(file["width"]), int(file["height"]))
    gaussians = Gaussians(
        part["means"], part["quats"], encode_scales(part["scales"]), encode_opacities(opacities), part["sh"]
    )
    return gaussians, camera


def fitted(gaussians: Gaussians, camera: Camera, side: int) -> Camera:
    """The camera with a square picture of `side` pixels that the Gaussians just fill."""
    pixels, _ = camera.project(gaussians.means)
    low, high = pixels.amin(0), pixels.amax(0)
    factor = side / float((high - low).max())
    K = camera.K.clone()
    K[0, 0], K[1, 1] = K[0, 0] * factor, K[1, 1] * factor
    K[:2, 2] = side / 2 + factor * (camera.K[:2, 2] - (low + high) / 2)
    return Camera(K, camera.world_to_camera, side, side)
