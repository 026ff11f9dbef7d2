"""People as `models/views` is trained on: crops of their pictures, and points of their true surfaces."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from fastavatar.captures import Capture, read_capture
from fastavatar.core import Camera, Mesh
from fastavatar.errors import InputError
from fastavatar.head import outside_of
from fastavatar.models.points import colored_by_views
from fastavatar.models.surface import Framed, framed
from fastavatar.train import capture_folders

TRUE_POINTS = 30_000
"""Points spread over a true surface by area: 3 mm apart on a bust."""


@dataclass(frozen=True)
class FramingErrors:
    """How far the pose of a head that is fitted to a photo is off; pictures are cropped with such poses."""

    turn_deg: float
    """Standard deviation of the head's turn about each axis."""
    move_mm: float
    """Standard deviation of its place across the picture."""
    distance: float
    """Standard deviation of the distance, as a share of it."""
    copies: int
    """Crops of each picture, each with errors of its own."""


class TrueSurface:
    """Points of a true surface, spread evenly, and the nearest of them."""

    def __init__(self, mesh: Mesh) -> None:
        """A parametric head counts as far as it is seen from outside; a mesh without colours is grey."""
        mesh = outside_of(mesh)
        self.mesh = mesh
        spread = mesh.sample(TRUE_POINTS)
        corners = mesh.vertices[spread.corners]
        normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self.points = spread.at(mesh.vertices)
        self.normals = torch.nn.functional.normalize(normals, dim=1)
        self.colors = torch.full_like(self.points, 0.5) if mesh.colors is None else spread.at(mesh.colors)
        self._tree = cKDTree(self.points.double().numpy())

    def nearest(self, points: Tensor) -> Tensor:
        """(N,) index of the nearest point of the surface to each of points (N, 3)."""
        return torch.from_numpy(np.asarray(self._tree.query(points.detach().double().cpu().numpy())[1]))


@dataclass(frozen=True)
class ViewSet:
    """A person with all pictures and the true surface."""

    name: str
    pictures: Tensor
    """(V, J, 4, S, S) uint8, J crops of each view."""
    projections: Tensor
    """(V, J, 3, 4) K [R | t] of each crop."""
    truth: TrueSurface

    def drawn(self, views: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Pictures (W, 4, S, S) in 0…1 and projections (W, 3, 4) of these views, a random crop of each."""
        copy = torch.randint(self.pictures.shape[1], (len(views),))
        return self.pictures[views, copy].float() / 255, self.projections[views, copy]


def read_view_sets(data: Sequence[Path], picture_px: int, errors: FramingErrors, seed: int) -> list[ViewSet]:
    """The captures in the folders `data`, by name.

    Raises `InputError` for one without a mesh, and what reading it raises.
    """
    random = np.random.default_rng(seed)
    places = [place for folder in data for place in capture_folders(folder)]
    return [_view_set(read_capture(place), picture_px, errors, random) for place in places]


def spread_inside(total: int, count: int) -> list[int]:
    """Indices of `count` of so many views, spread over all, neither first nor last where there is room."""
    chosen: list[int] = np.linspace(0, total - 1, count + 2)[1:-1].round().astype(int).tolist()
    return chosen


def mirrored(pictures: Tensor, projections: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (V, 4, S, S) and projections (V, 3, 4) of the person mirrored in the plane x = 0."""
    size = pictures.shape[-1]
    # A point −x projects to the pixel S − u: the first row becomes S · third − first, with x negated
    flipped = torch.stack([size * projections[:, 2] - projections[:, 0], *projections[:, 1:].unbind(1)], 1)
    return pictures.flip(-1), flipped * torch.tensor([-1.0, 1, 1, 1]).to(projections)


def _view_set(
    capture: Capture, picture_px: int, errors: FramingErrors, random: np.random.Generator
) -> ViewSet:
    if capture.mesh is None:
        raise InputError(f"{capture.folder} has no mesh.npz, which is the surface to learn")
    crops = [
        [
            framed(view.image.numpy(), view.mask.numpy(), mistaken(view.camera, errors, random), picture_px)
            for _ in range(errors.copies)
        ]
        for view in capture.views
    ]

    def stacked(name: str) -> Tensor:
        return torch.stack([torch.stack([getattr(crop, name) for crop in copies]) for copies in crops])

    mesh = capture.mesh if capture.mesh.colors is not None else colored_by_views(capture.mesh, capture.views)
    if mesh.colors is None:
        raise InputError(f"{capture.folder}: no view sees the surface in mesh.npz")
    assert isinstance(crops[0][0], Framed)
    return ViewSet(capture.folder.name, stacked("picture"), stacked("projection"), TrueSurface(mesh))


def mistaken(camera: Camera, errors: FramingErrors, random: np.random.Generator) -> Camera:
    """The camera with a head's pose that is as wrong as a fitted one."""
    precise = camera.to("cpu", torch.float64)
    pose = precise.world_to_camera.clone()
    turn = Rotation.from_rotvec(random.normal(0, math.radians(errors.turn_deg), 3)).as_matrix()
    pose[:3, :3] = pose[:3, :3] @ torch.from_numpy(turn)
    pose[:2, 3] += torch.from_numpy(random.normal(0, errors.move_mm / 1000, 2))
    pose[2, 3] *= 1 + random.normal(0, errors.distance)
    return Camera(precise.K, pose, camera.width, camera.height)
