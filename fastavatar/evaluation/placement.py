"""Places an avatar that was made from a photo in the frame of a capture.

A single photo does not determine size and distance separately. The protocol removes that one freedom and no
other: the avatar is scaled about the input camera's centre, so that its place in the picture stays the same.
"""

from dataclasses import dataclass, field, replace

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.core import Avatar, Camera, Gaussians, Mesh, encode_colors, encode_opacities, encode_scales
from fastavatar.losses import MASK_THRESHOLD, SOLID_ALPHA
from fastavatar.rendering import render

DEPTH_TOLERANCE_M = 0.01
"""Metres: a point at most this far behind the nearest surface counts as visible. Chosen by eye: more than the
spacing of FLAME points, less than the depth of a nose or an ear."""


@dataclass(frozen=True)
class Placed:
    """An avatar in the capture's frame."""

    gaussians: Gaussians
    """In the capture's frame, metres."""
    scale: float
    """The factor applied about the input camera's centre; 1 where it could not be determined."""
    points: int
    """How many points determined the scale."""
    warnings: tuple[str, ...]
    """Why the scale could not be determined; empty if it could."""
    mesh: Mesh | None = None
    """The avatar's mesh in the capture's frame; None where it has none."""
    move: "Move" = field(kw_only=True)
    """How the avatar got there."""


def place_avatar(avatar: Avatar, capture: Capture, view: View) -> Placed:
    """The avatar in the capture's frame: where `view`, its photo's true camera, saw it, at true distance.

    The scale is the median of true over predicted depth over the vertices of the capture's mesh, or its FLAME
    points where it has none, that `view` sees and the avatar covers.
    """
    truth = capture.points if capture.mesh is None else capture.mesh.vertices
    as_photographed = Move.between(avatar.camera, view.camera, 1.0)
    if truth is None:
        warning = "the capture has neither points nor a mesh: the avatar's distance is the predicted one"
        return as_photographed.placed(avatar, 0, (warning,))
    ratios = depth_ratios(as_photographed.gaussians(avatar.gaussians), truth, view)
    if len(ratios) == 0:
        warning = "the avatar covers no point of the capture: its distance is the predicted one"
        return as_photographed.placed(avatar, 0, (warning,))
    scale = float(ratios.median())
    return Move.between(avatar.camera, view.camera, scale).placed(avatar, len(ratios))


def depth_ratios(gaussians: Gaussians, points: Tensor, view: View) -> Tensor:
    """Ratio (M,) of true to rendered depth at those `points` (P, 3), metres, that view and render show."""
    seen = points[visible_points(points, view)]
    pixels, depth = view.camera.project(seen)
    shown = render(gaussians, view.camera)
    columns, rows = pixels.long().unbind(-1)
    covered = shown.alpha[rows, columns] > SOLID_ALPHA
    return depth[covered] / shown.depth[rows, columns][covered].to(depth)


def visible_points(points: Tensor, view: View) -> Tensor:
    """Which of `points` (P, 3), metres, the view sees, as booleans (P,).

    A point is seen if it projects into the person's mask and lies at most a centimetre behind the depth map
    of all points, drawn as opaque Gaussians that just close the gaps between them.
    """
    height, width = view.mask.shape
    pixels, depth = view.camera.project(points)
    size = torch.tensor([width, height])
    inside = ((pixels >= 0) & (pixels < size)).all(-1) & (depth > 0)
    columns, rows = torch.where(inside[:, None], pixels, 0.0).long().unbind(-1)
    surface = render(_opaque(points), view.camera).depth
    in_front = depth < surface[rows, columns] + DEPTH_TOLERANCE_M
    return inside & in_front & (view.mask[rows, columns] > MASK_THRESHOLD)


def _opaque(points: Tensor) -> Gaussians:
    """Round, opaque Gaussians at `points` (P, 3), σ half the rms distance of their three nearest."""
    count = len(points)
    distances, _ = cKDTree(points.numpy()).query(points.numpy(), k=min(4, count))
    spacing = torch.from_numpy(distances).to(points).reshape(count, -1)[:, 1:].square().mean(1).sqrt()
    sigma = (spacing / 2).clamp_min(1e-4)
    return Gaussians(
        points,
        torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(count, 4),
        encode_scales(sigma)[:, None].expand(count, 3),
        encode_opacities(torch.full((count,), 0.99)),
        encode_colors(torch.zeros(count, 1, 3)),
    )


@dataclass(frozen=True)
class Move:
    """The similarity x' = scale · rotation · x + translation."""

    scale: float
    rotation: Tensor
    translation: Tensor

    @staticmethod
    def between(photographed: Camera, true: Camera, scale: float) -> "Move":
        """What `photographed` sees moves to where `true` sees it `scale` times as far away."""
        # A point x that [R|t] sees moves to x', where R' x' + t' = scale (R x + t).
        seen_by = photographed.world_to_camera
        to = true.world_to_camera.to(seen_by)
        rotation = to[:3, :3].T @ seen_by[:3, :3]
        return Move(scale, rotation, to[:3, :3].T @ (scale * seen_by[:3, 3] - to[:3, 3]))

    def gaussians(self, of: Gaussians) -> Gaussians:
        """The Gaussians moved so."""
        return of.transformed(self.scale, self.rotation, self.translation)

    def placed(self, avatar: Avatar, points: int, warnings: tuple[str, ...] = ()) -> Placed:
        """The avatar moved so, its scale found from `points` points."""
        mesh = None if avatar.mesh is None else self.mesh(avatar.mesh)
        return Placed(self.gaussians(avatar.gaussians), self.scale, points, warnings, mesh, move=self)

    def mesh(self, of: Mesh) -> Mesh:
        """The mesh moved so."""
        vertices = self.scale * of.vertices @ self.rotation.T.to(of.vertices)
        return replace(of, vertices=vertices + self.translation.to(of.vertices))
