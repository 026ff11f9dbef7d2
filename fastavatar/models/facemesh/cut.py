"""The plane that closes a bust where the photo cuts the person off below.

A photo shows one line of that plane: its own lower edge, or the straight line along which a photo was cut out
below the collar. The plane rises toward
the back, so that a view from below does not see its edge in front of the chest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import map_coordinates, maximum_filter
from scipy.spatial import Delaunay, cKDTree

from fastavatar.geometry import Array, Bools, Ints
from fastavatar.images import fading, lower_edge, picture_edge
from fastavatar.models.facemesh import HeadView

SLOPE = 0.25
"""Rise of the plane per metre toward the back; chosen by eye on both captures."""
_BACKWARD = np.array([0.0, SLOPE, -1.0])
_LEAST_RIM = 12
_FRONT = 0.3
"""Share of a torso's points that count as its front: with less, views aside miss arms that are shown, with
more, more cloth below the photo is made up."""
_NEAR_M = 0.02
_EDGE_SLOPE = 0.45
"""Rise of an uneven lower edge per metre toward the back, as of the template's own bottom."""


@dataclass(frozen=True)
class Cut:
    """The plane below which the person is cut off, and the line of it that a photo shows."""

    origin: Array
    """(3,) a point of the line, head frame, metres."""
    axes: Array
    """(3, 3) axes of the torso in the head frame, as columns: left, up, front."""
    normal: Array
    """(3,) unit normal of the plane, upward."""
    view: HeadView
    """The photo that shows the line."""

    def height(self, points: Array) -> Array:
        """Heights (N,) of points (N, 3) above the plane, along the torso's up axis, metres."""
        return np.asarray((points - self.origin) @ self.normal / (self.axes[:, 1] @ self.normal))

    def closed(self, vertices: Array, body: Bools, edges: Ints) -> Array:
        """Vertices (V, 3) with those of neck and torso (V,), the `body`, below the plane moved up onto it.

        Lower ends of the `edges` (E, 2) that cross the plane become its rim. Others close the bust where they
        lie within the rim, and go to the nearest place on it where they would stick out.
        """
        height = self.height(vertices)
        low = body & (height < 0)
        moved = vertices - np.where(low, height, 0)[:, None] * self.axes[:, 1]
        ends = np.concatenate([edges, edges[:, ::-1]])
        rim = np.unique(ends[low[ends[:, 0]] & ~low[ends[:, 1]], 0])
        if len(rim) < _LEAST_RIM:
            return moved
        on_plane = (moved - self.origin) @ self.axes[:, [0, 2]]
        # Outside of the rim's convex hull a vertex would make a flange
        outside = low & (Delaunay(on_plane[rim]).find_simplex(on_plane) < 0)
        outside[rim] = False
        moved[outside] = moved[rim][cKDTree(on_plane[rim]).query(on_plane[outside])[1]]
        return moved

    def outside(self, points: Array) -> Bools:
        """Which points (N, 3) project onto background with no person pixel below them."""
        height, width = self.view.mask.shape
        pixels = self.view.camera.project(torch.from_numpy(points))[0].numpy()
        in_picture = ((pixels > 1) & (pixels < [width - 2, height - 2])).all(1)
        here_or_below = np.maximum.accumulate(maximum_filter(self.view.mask, 3)[::-1])[::-1]
        at = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
        person = map_coordinates(here_or_below, at, order=1, mode="nearest") > 0.5
        return np.asarray(in_picture & ~person)


def find_cut(torso: Array, axes: Array, view: HeadView) -> Cut | None:
    """The cut of a torso (T, 3), head frame, with `axes` (3, 3), where the person was cut out along a line.

    None where the view shows no straight lower edge of the person mask that the torso reaches.
    """
    edge = lower_edge(view.mask)
    return None if edge is None else _cut_along(edge, torso, axes, axes @ _BACKWARD, view)


def picture_cut(torso: Array, axes: Array, view: HeadView) -> Cut | None:
    """As `find_cut`, where the picture's lower edge cuts the person off: no more of the torso is made up.

    The cut lies below all that the picture shows of the torso's front, such as an arm nearer to the camera.
    """
    edge = picture_edge(view.mask)
    # A picture does not follow a torso that leans, so the cut leans half as much
    backward = (axes + np.eye(3)) @ _BACKWARD
    cut = None if edge is None else _cut_along(edge, torso, axes, backward, view)
    # Points behind the body's outline count as shown, too, but those are not of its front
    shown = torso[view.cells(torso).shown]
    if cut is None or not len(shown):
        return None
    forward = shown @ axes[:, 2]
    front = shown[forward > np.quantile(forward, 1 - _FRONT)]
    lowest = float(((front - cut.origin) @ cut.normal).min(initial=0))
    return replace(cut, origin=cut.origin + lowest * cut.normal)


def _cut_along(
    edge: tuple[float, float, float], torso: Array, axes: Array, backward: Array, view: HeadView
) -> Cut | None:
    """The plane through a line in the view and along the direction `backward` (3,).

    `edge` is the line's slope, offset and middle column, pixels; it gets the depth of the torso's front
    there. None without a torso near it.
    """
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
    # Normal of the plane of sight through the camera and the line in the photo
    seen = np.cross(origin - camera.center.numpy(), second - origin)
    seen /= np.linalg.norm(seen)
    # The line in space: the torso's left axis, projected into the plane of sight
    along = axes[:, 0] - (axes[:, 0] @ seen) * seen
    normal = np.cross(backward, along)
    normal *= np.sign(normal @ axes[:, 1]) / np.linalg.norm(normal)
    return Cut(origin, axes, normal, view)


def cut_seen_best(torso: Array, axes: Array, views: Sequence[HeadView]) -> Cut | None:
    """The cut in the view that faces the torso most squarely among those that were cut out along a line.

    Without such a view, that of the picture which shows most of the torso. `torso` (N, 3) are points of its
    surface, the columns of `axes` (3, 3) its axes.
    """
    squarely = sorted(views, key=lambda view: float(axes[:, 2] @ view.camera.world_to_camera[2, :3].numpy()))
    drawn = (find_cut(torso, axes, view) for view in squarely)
    best = next((cut for cut in drawn if cut is not None), None)
    if best is not None:
        return best
    ends = [cut for cut in (picture_cut(torso, axes, view) for view in views) if cut is not None]
    return min(ends, key=lambda cut: float(cut.origin @ axes[:, 1]), default=None)


def without_fade(view: HeadView) -> HeadView:
    """The view without the strip above a straight lower edge, where colours fade into the backdrop."""
    fades = fading(view.mask, float(view.camera.K[0, 0] / view.camera.world_to_camera[2, 3]))
    return view if fades is None else view.without(fades)


def hangs_below(points: Array, body: Bools, view: HeadView) -> Bools:
    """Which points (N, 3) of the body (N,) lie below the person's lower edge in a view without a cut.

    None does where the person continues beyond the picture. The edge rises toward the back.
    """
    height, width = view.mask.shape
    person = view.mask > 0.5
    columns = np.flatnonzero(person.any(0))
    if not len(columns):
        return np.zeros(len(points), bool)
    pixels, depth = (values.numpy() for values in view.camera.project(torch.from_numpy(points)))
    last = height - 1 - person[::-1, columns].argmax(0)
    # Two rows of tolerance for masks that fade at the picture's edge
    goes_on = last >= height - 2
    if goes_on.mean() > 0.5:
        return np.zeros(len(points), bool)
    edge = np.where(goes_on, np.inf, last)
    nearest = np.abs(columns[:, None] - np.arange(width)).argmin(0)
    edge_at = edge[nearest[np.clip(pixels[:, 0].round().astype(np.int64), 0, width - 1)]]
    behind_m = np.maximum(np.quantile(points[body, 2], 0.95) - points[:, 2], 0)
    rise_px = _EDGE_SLOPE * behind_m * float(view.camera.K[0, 0]) / depth
    return np.asarray(body & (pixels[:, 1] + rise_px > edge_at))
