"""The line in space along which a capture's pictures cut the person off below the collar."""

from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.captures import View
from fastavatar.geometry import Array
from fastavatar.images import lower_edge
from fastavatar.surfaces import Surface

SLOPE = 0.25
"""Rise of the ledge per metre toward the back: about as steep as the cameras below the head look up."""
_COLLAR_M = 0.05  # height of the lowest part of the points, which gives the depth of the line


@dataclass(frozen=True)
class CutLine:
    """A line in space below which every picture is white, from any direction."""

    origin: Array
    """(3,) a point of the line, metres."""
    along: Array
    """(3,) unit vector toward the person's left."""

    def height(self, points: Array) -> Array:
        """Heights (N,) of points (N, 3) above the ledge, along y, metres."""
        across = points[:, 0] - self.origin[0]
        base = self.origin + across[:, None] * self.along / self.along[0]
        return np.asarray(points[:, 1] - base[:, 1] - SLOPE * (base[:, 2] - points[:, 2]))


def find_cut_line(surface: Surface, view: View) -> CutLine | None:
    """The line in space of a view's straight lower edge, at the depth of the surface's lowest front.

    None where the mask has no such edge.
    """
    edge = lower_edge(view.mask.numpy())
    if edge is None:
        return None
    slope, offset, _ = edge
    camera = view.camera.to("cpu", torch.float64)
    low = surface.points[surface.points[:, 1] < surface.points[:, 1].min() + _COLLAR_M]
    front = low[low[:, 2] > low[:, 2].mean()]
    tip = front[front[:, 1].argmin()]
    pixel, depth = camera.project(torch.from_numpy(tip[None]))
    columns = pixel[0, 0] + torch.tensor([0.0, 100.0])
    on_edge = torch.stack([columns, slope * columns + offset], 1)
    origin, second = camera.unproject(on_edge, depth.expand(2)).numpy()
    # The widest direction of the lowest points is the shoulders'; the line is its projection into the plane
    # of the camera and the edge
    lateral = np.linalg.eigh(np.cov(low.T))[1][:, 2]
    plane = np.cross(origin - camera.center.numpy(), second - origin)
    plane /= np.linalg.norm(plane)
    along = lateral - (lateral @ plane) * plane
    along /= np.linalg.norm(along)
    if abs(along[0]) < 0.5:  # more than 60° from left to right: the edge is not the cut below a collar
        return None
    return CutLine(origin, along * np.sign(along[0]))
