"""Neck, shoulders and chest where a capture's points end but its pictures go on.

Captures of heads show the person cut off along one line below the collar: whatever lies below that line in
a picture is white, from wherever it was taken. Shoulders beyond the points come from this project's own head
template; where the line leaves none of the surface to be seen, a ledge rises from it toward the back, so that
pictures from above end at the line and pictures from below show nothing underneath.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from fastavatar.captures import View
from fastavatar.geometry.arrays import Array, Ints
from fastavatar.models.facemesh.surface import surface_points, vertex_normals
from fastavatar.models.facemesh.template import NECK, TORSO, load_template
from fastavatar.surfaces.points import Surface

SLOPE = 0.25
"""How much the ledge rises over each metre toward the back: about as steep as pictures from below look up."""
DEPTH_M = 0.12
HALF_WIDTH_M = 0.18
SPACING_M = 0.005
_COLLAR_M = 0.05  # height of the points' lowest part, which tells where the line lies
_NECK_M = 0.10  # height of the part the template's shoulders are fitted to
_EDGE_PX = 2.0
_STRAIGHT = 0.8  # share of columns that must agree on a straight lower edge
_OWN_M = 0.008  # nearer than this the points need no help
_ROUNDS = 30
_REACH_M = 0.15


@dataclass(frozen=True)
class CutLine:
    """The line along which the person is cut off."""

    origin: Array
    """(3,) a point of it, metres."""
    along: Array
    """(3,) unit vector toward the person's left."""

    def height(self, points: Array) -> Array:
        """How far (N,) points (N, 3) lie above the ledge, metres, along y."""
        across = points[:, 0] - self.origin[0]
        base = self.origin + across[:, None] * self.along / self.along[0]
        return np.asarray(points[:, 1] - base[:, 1] - SLOPE * (base[:, 2] - points[:, 2]))


def complete_bust(surface: Surface, views: list[View]) -> Surface:
    """The surface with shoulders and ledge, as it is where no picture shows a straight lower edge."""
    line = next((found for view in views if (found := find_cut_line(surface, view))), None)
    if line is None:
        return surface
    shoulders = fit_shoulders(surface)
    distance, _ = _nearest(surface.points, shoulders.points)
    shoulders = shoulders.subset((distance > _OWN_M) & (line.height(shoulders.points) > 0))
    ledge = _ledge(line)
    return (
        surface.subset(line.height(surface.points) > 0)
        .with_more(shoulders.points, shoulders.normals)
        .with_more(ledge.points, ledge.normals)
    )


def find_cut_line(surface: Surface, view: View) -> CutLine | None:
    """The line in space behind a view's straight lower edge, at the depth of the surface's lowest front.

    None where the mask has no such edge.
    """
    edge = _lower_edge(view)
    if edge is None:
        return None
    slope, offset = edge
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


def _lower_edge(view: View) -> tuple[float, float] | None:
    """Slope and offset, in pixels, of the straight line on which the mask ends below; None without one."""
    person = view.mask.numpy() > 0.5
    height, width = person.shape
    columns = np.flatnonzero(person[: height - 2].any(0) & ~person[height - 2 :].any(0))
    if len(columns) < width / 4:
        return None
    last = height - person[::-1, columns].argmax(0)
    at, kept = columns + 0.5, np.ones(len(columns), bool)
    for _ in range(6):
        slope, offset = np.polyfit(at[kept], last[kept], 1)
        error = np.abs(last - slope * at - offset)
        kept = error <= max(_EDGE_PX, float(np.median(error)))
    straight = bool((error < _EDGE_PX).mean() > _STRAIGHT)
    return (float(slope), float(offset)) if straight else None


def _ledge(line: CutLine) -> Surface:
    """Points spread over the plane that rises from the line toward the back."""
    across, back = np.meshgrid(
        np.arange(-HALF_WIDTH_M, HALF_WIDTH_M, SPACING_M), np.arange(0, DEPTH_M, SPACING_M)
    )
    rise = np.array([0.0, SLOPE, -1.0])
    points = line.origin + across.reshape(-1, 1) * line.along + back.reshape(-1, 1) * rise
    normal = np.cross(-rise, line.along)
    normal *= np.sign(normal[1]) / np.linalg.norm(normal)
    return Surface(points, np.tile(normal, (len(points), 1)))


def fit_shoulders(surface: Surface) -> Surface:
    """The template's neck and shoulders, moved and bent onto the surface's lowest part."""
    template, spread = load_template(), surface_points()
    body = np.isin(spread.region, (NECK, TORSO))
    points = spread.at(template.vertices)[body]
    normals = spread.at(vertex_normals(template.vertices, template.faces))[body]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    low = surface.subset(surface.points[:, 1] < surface.points[:, 1].min() + _NECK_M)
    scale, rotation, shift = 1.0, np.eye(3), np.zeros(3)
    for _ in range(_ROUNDS):
        distance, pair = _nearest(scale * points @ rotation.T + shift, low.points)
        fits = (distance < np.quantile(distance, 0.8)) & _alike(normals[pair] @ rotation.T, low.normals)
        if fits.sum() < 10:
            break
        scale, rotation, shift = _similarity(points[pair[fits]], low.points[fits])
    moved, turned = scale * points @ rotation.T + shift, normals @ rotation.T
    _, pair = _nearest(moved, low.points)
    fitting = np.flatnonzero(_alike(turned[pair], low.normals))
    anchors = fitting[:: max(1, len(fitting) // 600)]
    bend = _smooth(moved, moved[pair[anchors]], low.points[anchors] - moved[pair[anchors]])
    torso = spread.region[body] == TORSO
    return Surface(moved + bend, turned).subset(torso)


def _nearest(points: Array, queries: Array) -> tuple[Array, Ints]:
    """Distance (M,) from each of `queries` (M, 3) to the nearest of `points` (N, 3), and its index (M,)."""
    distance, index = cKDTree(points).query(queries)
    return np.asarray(distance), np.asarray(index, np.int64)


def _alike(normals: Array, others: Array) -> NDArray[np.bool_]:
    return np.asarray((normals * others).sum(1) > 0.5)


def _similarity(points: Array, targets: Array) -> tuple[float, Array, Array]:
    """Scale, rotation (3, 3) and shift (3,) that bring points (M, 3) onto targets (M, 3) (Umeyama 1991)."""
    centre, target_centre = points.mean(0), targets.mean(0)
    u, s, vt = np.linalg.svd((targets - target_centre).T @ (points - centre))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u * signs @ vt
    scale = float((s * signs).sum() / ((points - centre) ** 2).sum())
    return scale, rotation, target_centre - scale * rotation @ centre


def _smooth(points: Array, anchors: Array, offsets: Array) -> Array:
    """Offsets (N, 3) at points near `offsets` (A, 3) at `anchors` (A, 3), smooth, none beyond their reach."""

    def kernel(distance: Array) -> Array:  # Wendland's C2, which is positive definite
        r = np.minimum(distance / _REACH_M, 1)
        return np.asarray((1 - r) ** 4 * (4 * r + 1))

    weights = np.linalg.solve(kernel(cdist(anchors, anchors)) + 0.3 * np.eye(len(anchors)), offsets)
    return np.asarray(kernel(cdist(points, anchors)) @ weights)
