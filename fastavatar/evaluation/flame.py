"""Parts of a capture's tracked FLAME head: face, ears, jaw and neck, and the plane that ends the head.

A capture with FLAME points holds the centres of FLAME's triangles, but not which part each belongs to. The
parts are therefore found by shape, in the axes of the head without its pose, measured from the tip of the
nose. The borders below were set by eye on the points of two people of NeRSemble: 98 % of their points then
belong to the same part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch import Tensor

from fastavatar.captures import Capture
from fastavatar.core import Camera, Mesh
from fastavatar.evaluation import visible_points
from fastavatar.geometry import Array, Bools, Ints

FlamePart = Literal[
    "face",  # what Face Mesh covers: from the hairline to the jaw line, in front of the ears
    "ear",  # both ears
    "jaw",  # between the jaw line and the throat: the chin's underside and the corners of the jaw
    "neck",  # from there to the plane across the lower neck
]
PARTS: tuple[FlamePart, ...] = ("face", "ear", "jaw", "neck")

FLAME_POINTS = 10_144
"""Triangles of FLAME with teeth, as VHAP tracks it: 9,976 and 168."""

# Metres from the tip of the nose: y up, z forward
_FACE_BEHIND_Z, _FACE_BELOW_Y = -0.09, 0.075
_LOBE = (-0.125, -0.03)  # (z, y) where jaw line, throat line and nape line meet
_NAPE = (-0.19, -0.05)
_EAR_Z, _EAR_Y, _EAR_FROM_X = (-0.175, -0.095), (-0.035, 0.06), 0.06
_EAR_SPACING = 0.0035
"""Mean distance of a point of an ear from its four nearest: half of that on the skin about it."""
_TIPS = 10
"""Points on either side, farthest out below the chin, that stand for FLAME's cut through the shoulders."""
_NECK_ABOVE_TIPS = 0.02
"""Height of the lower neck above that cut: there the neck begins to widen."""


@dataclass(frozen=True)
class FlameParts:
    """The parts of one tracked head, in the capture's frame."""

    part: Tensor
    """(P,) index into `PARTS` of each of the capture's points; −1 for skull, shoulders, and inner points."""
    neck: Tensor
    """(3,) the neck's middle on the plane across the lower neck, metres."""
    up: Tensor
    """(3,) its unit normal, toward the head: the body's own vertical."""

    def head_region(self, camera: Camera) -> Tensor:
        """(H, W) 1 where a pixel shows the head or what is beside and above it, 0 from the lower neck down.

        The border is the line in which the neck's plane meets the upright plane through the neck that faces
        the camera. It does not depend on the answer, so two answers are compared over the same pixels.
        """
        rows, columns = torch.meshgrid(torch.arange(camera.height), torch.arange(camera.width), indexing="ij")
        pixels = torch.stack([columns, rows], -1).reshape(-1, 2) + 0.5
        center, up = camera.center.cpu(), self.up
        rays = camera.to("cpu").unproject(pixels, torch.ones(len(pixels))) - center
        toward = center - self.neck
        facing = toward - (toward @ up) * up
        reach = -(toward @ facing) / (rays @ facing)
        height = (toward + reach[:, None] * rays) @ up
        return (height > 0).float().reshape(camera.height, camera.width)

    def distances(self, capture: Capture, mesh: Mesh) -> Mapping[str, Mapping[str, float | int | None]]:
        """Distance of the capture's points from `mesh` by part: `mean` and `p90` in mm, number of `points`.

        Counted are the points that a view of the capture sees: neither teeth nor the backs of the eyes.
        """
        assert capture.points is not None  # or there were no parts
        seen = torch.zeros(len(capture.points), dtype=torch.bool)
        for view in capture.views:
            seen |= visible_points(capture.points, view)
        result: dict[str, dict[str, float | int | None]] = {}
        for index, name in enumerate(PARTS):
            chosen = capture.points[(self.part == index) & seen]
            if len(chosen) == 0:
                result[name] = {"mean": None, "p90": None, "points": 0}
                continue
            d = 1000 * mesh.nearest(chosen)[0].numpy()
            result[name] = {"mean": float(d.mean()), "p90": float(np.quantile(d, 0.9)), "points": len(d)}
        return result


def flame_parts(capture: Capture) -> FlameParts | None:
    """The parts of the capture's FLAME head; None for a capture without FLAME's points and pose.

    A scan or a hull has no plane of its own, and one taken from an avatar would differ from avatar to avatar.
    """
    rotation, neck_pose = (_rotation(capture.flame.get(name)) for name in ("rotation", "neck_pose"))
    if capture.points is None or len(capture.points) != FLAME_POINTS or not rotation or not neck_pose:
        return None
    points = capture.points.double().numpy()
    in_head = (rotation * neck_pose).inv().apply(points)
    in_head -= in_head[in_head[:, 2].argmax()]
    part, below = _part_of(in_head, _spacing(points))
    upright = rotation.inv().apply(points)
    tips = np.concatenate([_outermost(upright[below], side) for side in (-1, 1)])
    level_y = tips[:, 1].mean() + _NECK_ABOVE_TIPS
    part[(part == PARTS.index("neck")) & (upright[:, 1] < level_y)] = -1
    neck = upright[part == PARTS.index("neck")].mean(0)
    neck[1] = level_y
    return FlameParts(
        torch.from_numpy(part),
        torch.from_numpy(rotation.apply(neck)).float(),
        torch.from_numpy(rotation.apply([0.0, 1.0, 0.0])).float(),
    )


def _part_of(points: Array, spacing: Array) -> tuple[Ints, Bools]:
    """Part (P,) of points (P, 3) in the head's axes from the nose's tip; which lie below the head (P,)."""
    x, y, z = points.T
    # The chest comes as far forward where a head is bent down, but it lies lower
    chin_y = float(y[(abs(x) < 0.02) & (z > -0.05) & (y > -0.115)].min())
    below = y < np.interp(z, *_line(_NAPE, _LOBE, (-0.065, chin_y - 0.008), (0.0, chin_y - 0.008)))
    under_jaw_line = y < np.interp(z, *_line(_LOBE, (-0.03, chin_y + 0.015), (0.0, chin_y + 0.015)))
    ear = (abs(x) > _EAR_FROM_X) & (spacing < _EAR_SPACING)
    ear &= (z > _EAR_Z[0]) & (z < _EAR_Z[1]) & (y > _EAR_Y[0]) & (y < _EAR_Y[1])
    part = np.full(len(points), -1)
    part[~under_jaw_line & (z > _FACE_BEHIND_Z) & (y < _FACE_BELOW_Y)] = PARTS.index("face")
    part[under_jaw_line & (z > _LOBE[0])] = PARTS.index("jaw")
    part[below] = PARTS.index("neck")
    part[ear] = PARTS.index("ear")
    return part, below & ~ear


def _line(*corners: tuple[float, float]) -> tuple[Sequence[float], Sequence[float]]:
    """The z and the y of a polyline's corners, as `np.interp` takes them."""
    z, y = zip(*corners, strict=True)
    return z, y


def _spacing(points: Array) -> Array:
    """Mean distance (P,) of points (P, 3) from their four nearest."""
    distances = np.asarray(cKDTree(points).query(points, k=5)[0])
    return np.asarray(distances[:, 1:].mean(1))


def _outermost(points: Array, side: int) -> Array:
    """The `_TIPS` of points (P, 3) that lie farthest toward −x or +x."""
    return np.asarray(points[np.argsort(side * points[:, 0])[-_TIPS:]])


def _rotation(vector: Tensor | None) -> Rotation | None:
    """The rotation of an axis-angle vector of three numbers; None for anything else."""
    if vector is None or vector.numel() != 3:
        return None
    return Rotation.from_rotvec(vector.reshape(3).double().numpy())
