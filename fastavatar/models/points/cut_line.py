"""The line along which a capture's pictures cut the person off below the collar."""

from dataclasses import dataclass

import numpy as np
import torch

from fastavatar.captures import View
from fastavatar.geometry import Array
from fastavatar.images.lower_edge import lower_edge
from fastavatar.surfaces.points import Surface

SLOPE = 0.25
"""How much the ledge rises over each metre toward the back: about as steep as pictures from below look up."""
_COLLAR_M = 0.05  # height of the points' lowest part, which tells where the line lies


@dataclass(frozen=True)
class CutLine:
    """Below this line every picture is white, from wherever it was taken."""

    origin: Array
    """(3,) a point of it, metres."""
    along: Array
    """(3,) unit vector toward the person's left."""

    def height(self, points: Array) -> Array:
        """How far (N,) points (N, 3) lie above the ledge, metres, along y."""
        across = points[:, 0] - self.origin[0]
        base = self.origin + across[:, None] * self.along / self.along[0]
        return np.asarray(points[:, 1] - base[:, 1] - SLOPE * (base[:, 2] - points[:, 2]))


def find_cut_line(surface: Surface, view: View) -> CutLine | None:
    """The line in space behind a view's straight lower edge, at the depth of the surface's lowest front.

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
    # Widest is the bust across; the line follows that as far as the view's own plane allows
    lateral = np.linalg.eigh(np.cov(low.T))[1][:, 2]
    plane = np.cross(origin - camera.center.numpy(), second - origin)
    plane /= np.linalg.norm(plane)
    along = lateral - (lateral @ plane) * plane
    along /= np.linalg.norm(along)
    if abs(along[0]) < 0.5:
        return None
    return CutLine(origin, along * np.sign(along[0]))
