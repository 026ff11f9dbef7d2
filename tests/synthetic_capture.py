"""A small capture that the tests make themselves: a coloured ellipsoid, drawn from known cameras."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from plyfile import PlyData, PlyElement
from torch import Tensor

from fastavatar.core import (
    Camera,
    Gaussians,
    Mesh,
    encode_colors,
    encode_opacities,
    encode_scales,
    frontal_camera,
)
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.rendering import render

RADII_M = (0.08, 0.11, 0.09)
WIDTH, HEIGHT, FOCAL_PX, DISTANCE_M = 44, 56, 160.0, 1.0
AZIMUTHS_DEG = (-40.0, -15.0, 0.0, 20.0, 45.0)


def fibonacci_directions(count: int) -> Tensor:
    """(count, 3) unit vectors spread evenly."""
    step = torch.arange(count) + 0.5
    height = 1 - 2 * step / count
    around = step * torch.pi * (3 - 5**0.5)
    radius = torch.sqrt(1 - height * height)
    return torch.stack([radius * torch.cos(around), height, radius * torch.sin(around)], -1)


def make_head(count: int = 400) -> Gaussians:
    """Round Gaussians on an ellipsoid whose colour changes smoothly with the direction."""
    directions = fibonacci_directions(count)
    sigma = float(2 * np.prod(RADII_M) ** (1 / 3) / count**0.5)
    colors = 0.45 + 0.35 * torch.sin(
        directions * torch.tensor([5.0, 3.0, 4.0]) + torch.tensor([0.0, 1.0, 2.0])
    )
    return Gaussians(
        directions * torch.tensor(RADII_M),
        torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        encode_scales(torch.full((count, 3), sigma)),
        encode_opacities(torch.full((count,), 0.95)),
        encode_colors(colors)[:, None],
    )


def make_mesh(count: int = 400) -> Mesh:
    """The same ellipsoid as triangles: the hull of evenly spread points."""
    from scipy.spatial import ConvexHull

    directions = fibonacci_directions(count)
    faces = torch.from_numpy(ConvexHull(directions.numpy()).simplices.astype(np.int64))
    return Mesh(directions * torch.tensor(RADII_M), faces)


def make_cameras() -> list[Camera]:
    """One camera for each of `AZIMUTHS_DEG`, elevations alternating."""
    front = frontal_camera(DISTANCE_M, FOCAL_PX, WIDTH, HEIGHT)
    return [front.orbited(azimuth, 8.0 * (-1) ** i) for i, azimuth in enumerate(AZIMUTHS_DEG)]


def frame_entry(camera: Camera, name: str) -> dict[str, Any]:
    """A frame of transforms.json: intrinsics, and camera-to-world with OpenGL axes."""
    to_opengl = np.diag([1.0, -1.0, -1.0, 1.0])
    camera_to_world = np.linalg.inv(to_opengl @ camera.world_to_camera.double().numpy())
    return {
        "file_path": f"images/{name}.png",
        "fg_mask_path": f"fg_masks/{name}.png",
        "fl_x": float(camera.K[0, 0]),
        "fl_y": float(camera.K[1, 1]),
        "cx": float(camera.K[0, 2]),
        "cy": float(camera.K[1, 2]),
        "w": camera.width,
        "h": camera.height,
        "transform_matrix": camera_to_world.tolist(),
    }


def save_picture(picture: Tensor, path: Path) -> None:
    """(H, W) or (H, W, C) in 0…1 as an 8-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture.clamp(0, 1) * 255).round().byte().numpy()).save(path)


def write_transforms(folder: Path, frames: Sequence[Mapping[str, Any]], **top_level: object) -> None:
    """transforms.json with these frames."""
    (folder / "transforms.json").write_text(json.dumps({**top_level, "frames": frames}))


def write_capture(folder: Path, points: bool = True, mesh: bool = False) -> Gaussians:
    """A whole capture of `make_head`, whose Gaussians are returned."""
    head, frames = make_head(), []
    for index, camera in enumerate(make_cameras()):
        name = f"00000_{index:02d}"
        shown = render(head, camera)
        save_picture(shown.image, folder / "images" / f"{name}.png")
        save_picture(shown.alpha, folder / "fg_masks" / f"{name}.png")
        frames.append(frame_entry(camera, name))
    write_transforms(folder, frames)
    if points:
        rows = np.array([tuple(mean) for mean in head.means.tolist()], dtype=[(a, "f4") for a in "xyz"])
        PlyData([PlyElement.describe(rows, "vertex")], text=True).write(str(folder / "points3d.ply"))
    if mesh:
        true = make_mesh()
        np.savez(folder / "mesh.npz", vertices=true.vertices.numpy(), faces=true.faces.numpy())
    return head


def write_colmap(folder: Path) -> None:
    """The cameras and points of `write_capture` as a COLMAP model in text form."""
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    cameras, images = [], []
    for index, camera in enumerate(make_cameras()):
        fx, fy, cx, cy = (float(camera.K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
        cameras.append(f"{index + 1} PINHOLE {camera.width} {camera.height} {fx} {fy} {cx} {cy}")
        pose = [*_quaternion_wxyz(camera.world_to_camera[:3, :3]), *camera.world_to_camera[:3, 3].tolist()]
        images.append(f"{index + 1} {' '.join(map(repr, pose))} {index + 1} 00000_{index:02d}.png\n")
    points = [f"{i + 1} {x} {y} {z} 0 0 0 0" for i, (x, y, z) in enumerate(make_head().means.tolist())]
    for name, lines in (("cameras", cameras), ("images", images), ("points3D", points)):
        (model / f"{name}.txt").write_text("\n".join(lines) + "\n")


def _quaternion_wxyz(rotation: Tensor) -> list[float]:
    from fastavatar.geometry import quaternion_wxyz_from_matrix

    quaternion = quaternion_wxyz_from_matrix(rotation.double())
    assert torch.allclose(matrix_from_quaternion_wxyz(quaternion), rotation.double(), atol=1e-6)
    return [float(value) for value in quaternion]
