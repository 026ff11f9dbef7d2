"""Where a person cut off in the photo ends below: a bust closed by a plane.

A photo cut out along a straight line below the collar shows one line of a plane. It goes on as wide as the
shoulders and rises to the back, so that a view from below meets no lid before the chest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import map_coordinates, maximum_filter
from scipy.spatial import Delaunay

from fastavatar.geometry import Array, Bools
from fastavatar.images.lower_edge import lower_edge
from fastavatar.models.facemesh.view import HeadView

SLOPE = 0.25
"""How much the plane rises over each metre toward the back."""
_FADE_M = 0.012  # above the line, where cut-outs fade into the backdrop
_RIM_M = 0.008
_LEAST_RIM = 12
_NEAR_M = 0.02


@dataclass(frozen=True)
class Cut:
    """The plane below which the person is cut off, and the line of it that a photo shows."""

    origin: Array
    """(3,) a point of the line, head frame, metres."""
    axes: Array
    """(3, 3) of the torso in the head frame, as columns: its left, up, front."""
    normal: Array
    """(3,) unit normal of the plane, upward."""
    view: HeadView
    """The photo that shows the line."""

    def height(self, points: Array) -> Array:
        """How far (N,) points (N, 3) lie above the plane along the torso, metres."""
        return np.asarray((points - self.origin) @ self.normal / (self.axes[:, 1] @ self.normal))

    def closed(self, vertices: Array, torso: Bools) -> tuple[Array, Bools]:
        """Vertices (V, 3) of which those of the torso (V,) below the plane lie on it, and which (V,) stay.

        Those stay that close the bust: within its outline on the plane.
        """
        height = self.height(vertices)
        low = torso & (height < 0)
        moved = vertices - np.where(low, height, 0)[:, None] * self.axes[:, 1]
        on_plane = (moved - self.origin) @ self.axes[:, [0, 2]]
        rim = torso & ~low & (height < _RIM_M)
        if rim.sum() < _LEAST_RIM:
            return moved, ~low
        return moved, ~low | (Delaunay(on_plane[rim]).find_simplex(on_plane) >= 0)

    def outside(self, points: Array) -> Bools:
        """Which of the points (N, 3) the photo shows to be no person, nor above one: it is cut off there."""
        height, width = self.view.mask.shape
        pixels = self.view.camera.project(torch.from_numpy(points))[0].numpy()
        in_picture = ((pixels > 1) & (pixels < [width - 2, height - 2])).all(1)
        here_or_below = np.maximum.accumulate(maximum_filter(self.view.mask, 3)[::-1])[::-1]
        at = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
        person = map_coordinates(here_or_below, at, order=1, mode="nearest") > 0.5
        return np.asarray(in_picture & ~person)


def find_cut(torso: Array, axes: Array, view: HeadView) -> Cut | None:
    """The cut of a torso (T, 3), head frame, that stands along `axes` (3, 3), None where none shows.

    It shows as a straight lower edge of the view's person mask; the line lies as deep as the torso's front
    there.
    """
    edge = lower_edge(view.mask)
    if edge is None:
        return None
    slope, offset, middle = edge
    camera = view.camera
    pixels, depth = (values.numpy() for values in camera.project(torch.from_numpy(torso)))
    reach = _NEAR_M * float(camera.K[0, 0]) / np.median(depth)
    beside = np.abs(pixels[:, 0] - middle), np.abs(pixels[:, 1] - slope * pixels[:, 0] - offset)
    near = (beside[0] < reach) & (beside[1] < reach)
    if not near.any():
        return None
    columns = torch.tensor([middle, middle + 100.0], dtype=torch.float64)
    on_edge = torch.stack([columns, slope * columns + offset], 1)
    origin, second = camera.unproject(on_edge, torch.full((2,), depth[near].min()).double()).numpy()
    seen = np.cross(origin - camera.center.numpy(), second - origin)
    seen /= np.linalg.norm(seen)
    along = axes[:, 0] - (axes[:, 0] @ seen) * seen
    normal = np.cross(axes @ [0, SLOPE, -1], along)
    normal *= np.sign(normal @ axes[:, 1]) / np.linalg.norm(normal)
    return Cut(origin, axes, normal, view)


def cut_seen_best(torso: Array, axes: Array, views: Sequence[HeadView]) -> Cut | None:
    """As `find_cut`, in that of several views which looks most squarely at the torso and shows a cut."""
    squarely = sorted(views, key=lambda view: float(axes[:, 2] @ view.camera.world_to_camera[2, :3].numpy()))
    cuts = (find_cut(torso, axes, view) for view in squarely)
    return next((cut for cut in cuts if cut is not None), None)


def without_fade(view: HeadView) -> HeadView:
    """The view with a mask that ends above a straight lower edge: colours fade into the backdrop there."""
    edge = lower_edge(view.mask)
    if edge is None:
        return view
    strip_px = _FADE_M * float(view.camera.K[0, 0] / view.camera.world_to_camera[2, 3])
    rows, columns = np.mgrid[: view.mask.shape[0], : view.mask.shape[1]] + 0.5
    fades = rows > edge[0] * columns + edge[1] - strip_px
    return replace(view, mask=np.where(fades, np.float32(0), view.mask))
