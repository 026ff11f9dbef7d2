"""Pictures as the network looks at them, and points about the people in them, moved with their cameras."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fastavatar.captures import read_capture
from fastavatar.core import Mesh
from fastavatar.errors import InputError
from fastavatar.head import MeanShape, outside_of
from fastavatar.models.surface import RADIUS_M, Framed, framed
from fastavatar.surfaces import solid_of
from fastavatar.train import TrueSurface, mirror_of, random_recoloring, registered
from fastavatar.train.surfaces import SAMPLES, PointSet, SurfaceSamples, Truth, read_samples

_HELD_BYTES = 1.6e9
"""Most samples, as files, that stay in memory: those of 64 subjects of half a million points a set."""


class Subjects:
    """Folders with a capture and `surface.npz` each; pictures are read when they are first used."""

    def __init__(self, folders: Sequence[Path], picture_px: int, start: MeanShape) -> None:
        """`start` are points of the mean head, which are looked for on every subject."""
        self._start, self._shapes = start, dict[int, tuple[Tensor, Tensor]]()
        self._captures = [read_capture(folder) for folder in folders]
        self._folders, self._picture_px = tuple(folders), picture_px
        self._pictures: dict[tuple[int, int], Framed] = {}
        largest = max((folder / SAMPLES).stat().st_size for folder in folders) if folders else 1
        self.samples = lru_cache(max(1, int(_HELD_BYTES / largest)))(self._samples)

    def __len__(self) -> int:
        """Number of subjects."""
        return len(self._folders)

    def name(self, subject: int) -> str:
        """Name of the subject's folder."""
        return self._folders[subject].name

    def mesh(self, subject: int) -> Mesh:
        """The subject's true surface, as the samples have it."""
        mesh = self._captures[subject].mesh
        if mesh is None:
            raise InputError(f"{self._folders[subject]} has no mesh.npz")
        return solid_of(outside_of(mesh))

    def shapes(self, subject: int) -> tuple[Tensor, Tensor]:
        """(P, 3) where the points of the start lie on the subject, and the same of their mirror images."""
        if subject not in self._shapes:
            mesh = self._captures[subject].mesh
            assert mesh is not None
            shape = registered(self._start, TrueSurface(mesh), len(self._start.modes))
            self._shapes[subject] = shape, mirror_of(self._start, shape)
        return self._shapes[subject]

    def views(self, subject: int) -> int:
        """Number of pictures of the subject."""
        return len(self._captures[subject].views)

    def picture(self, subject: int, view: int) -> Framed:
        """The crop of a picture; kept, as 64 kB each are little."""
        if (subject, view) not in self._pictures:
            seen = self._captures[subject].views[view]
            crop = framed(seen.image.numpy(), seen.mask.numpy(), seen.camera, self._picture_px)
            self._pictures[subject, view] = crop
        return self._pictures[subject, view]

    def _samples(self, subject: int) -> SurfaceSamples:
        return read_samples(self._folders[subject] / SAMPLES)


@dataclass(frozen=True)
class Batch:
    """B pictures, and what is known at N points about the person in each."""

    pictures: Tensor
    """(B, 4, S, S) in 0…1."""
    projections: Tensor
    """(B, 3, 4) from points of the head frame, metres, to pixels times depth."""
    truth: Truth
    shapes: Tensor
    """(B, P, 3) metres: where points of the mean head lie on the person."""

    def to(self, device: str) -> "Batch":
        """The batch on another device."""
        truth = self.truth
        moved = Truth(
            truth.points.to(device),
            truth.distances.to(device),
            truth.normals.to(device),
            truth.colors.to(device),
            truth.near,
        )
        return Batch(self.pictures.to(device), self.projections.to(device), moved, self.shapes.to(device))


@dataclass(frozen=True)
class Moves:
    """How far people are moved with their cameras, so that pictures stay the same, mirrored and recoloured.

    A camera fitted to a photo is wrong by about as much.
    """

    turn_deg: float
    """Standard deviation of the turns about each axis."""
    shift_m: float
    """The same of the shifts along each."""
    scale: float
    """The same of the logarithm of sizes: a photo does not tell size from distance."""
    mirror: bool
    """Whether every second person is mirrored."""
    recoloring: float
    """Strength of the changes of their colours, 0 for none."""


def drawn(
    subjects: Subjects, chosen: Sequence[tuple[int, int]], near: int, far: int, moves: Moves | None
) -> Batch:
    """A batch of chosen (subject, view) with so many near and far points of each.

    The random numbers are those of torch's default generator.
    """
    pictures, projections, points, distances, normals, colors, shapes = [], [], [], [], [], [], []
    for subject, view in chosen:
        crop, samples = subjects.picture(subject, view), subjects.samples(subject)
        shape, reflected = subjects.shapes(subject)
        parts = [_run(samples.near, near), _run(samples.far, far)]
        places, apart, outward, rgb = (torch.cat(values) for values in zip(*parts, strict=True))
        picture, projection = crop.picture.float() / 255, crop.projection
        if moves is not None:
            recoloring = random_recoloring(moves.recoloring)
            picture, rgb = recoloring.of_pictures(picture), recoloring.of_colors(rgb)
            move, scale = _random_move(moves)
            if moves.mirror and float(torch.rand(())) < 0.5:
                move, picture, projection = mirrored(move, picture, projection)
                shape = reflected
            shape = shape @ move[:3, :3].T + move[:3, 3]
            places = places @ move[:3, :3].T + move[:3, 3]
            outward = outward @ move[:3, :3].T / scale
            apart = apart * scale
            projection = (projection.double() @ torch.linalg.inv(move.double())).float()
        pictures.append(picture)
        projections.append(projection)
        points.append(places)
        distances.append(apart / RADIUS_M)
        normals.append(outward)
        colors.append(rgb)
        shapes.append(shape)
    truth = Truth(
        torch.stack(points), torch.stack(distances), torch.stack(normals), torch.stack(colors), near
    )
    return Batch(torch.stack(pictures), torch.stack(projections), truth, torch.stack(shapes))


def mirrored(move: Tensor, picture: Tensor, projection: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A move (4, 4), a picture (4, S, S) and the projection (3, 4) into it, for the mirror image of a person.

    The move then begins with x → −x; the projection still takes points as they were.
    """
    flip = torch.eye(3)
    flip[0, 0], flip[0, 2] = -1, picture.shape[-1]
    return move @ torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])), picture.flip(-1), flip @ projection


def _random_move(moves: Moves) -> tuple[Tensor, float]:
    """A similarity (4, 4) about the origin and its scale."""
    turns = math.radians(moves.turn_deg) * torch.randn(3)
    scale = float((moves.scale * torch.randn(())).exp())
    across = torch.zeros(3, 3)
    across[0, 1], across[0, 2], across[1, 2] = -turns[2], turns[1], -turns[0]
    move = torch.eye(4)
    move[:3, :3] = scale * torch.linalg.matrix_exp(across - across.T)
    move[:3, 3] = moves.shift_m * torch.randn(3)
    return move, scale


def _run(points: PointSet, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`count` points that follow one another, from a random place on; they are in random order."""
    first = int(torch.randint(len(points.points), ()))
    index = (first + np.arange(count)) % len(points.points)
    return (
        torch.from_numpy(points.points[index]),
        torch.from_numpy(points.distances[index]),
        torch.from_numpy(points.normals[index].astype(np.float32)),
        torch.from_numpy(points.colors[index].astype(np.float32) / 255),
    )


def subject_folders(data: Sequence[Path]) -> list[Path]:
    """The folders in `data` with samples, by name; raises `InputError` for a folder without any."""
    found = []
    for folder in data:
        inside = sorted(path.parent for path in folder.glob(f"*/{SAMPLES}"))
        if not inside:
            raise InputError(
                f"{folder} has no folder with {SAMPLES}: `fastavatar dataset surfaces` makes them"
            )
        found += inside
    return found
