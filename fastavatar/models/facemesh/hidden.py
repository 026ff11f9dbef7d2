"""Colours of what no photo shows of a head: as on its other half, as in its region, hair as hair."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, Ints, diffused, row_mean
from fastavatar.models.facemesh.surface import SurfacePoints, surface_points
from fastavatar.models.facemesh.template import FACE, SKULL, load_template
from fastavatar.surfaces.completion import FAR_PULL, complete_colors

WHORL = np.array([0.0, 0.115, -0.115])
"""From where hair falls, on the template's skull."""
_DEEP_M = 0.04  # this far from skin, what covers a skull is hair if there is any
# What is no skin: darker by this, or this far from it in the shares of red, green and blue
_DARKER, _OTHER_HUE = 0.15, 0.07
# Steps over neighbours: those that smooth colours by a centimetre or two, and those that draw out strands
_SMOOTH_STEPS, _STRAND_STEPS = 12, 16
_ALONG_POWER = 16  # of the cosine between a step and the way hair falls
_SEED = 0


@dataclass(frozen=True)
class Hair:
    """What is seen of somebody's hair, or of a bald skull."""

    color: Array
    """(3,) in 0…1."""
    contrast: Array
    """(3,) standard deviation of what is finer than a centimetre or two, by channel."""
    share: float
    """0 where it is no other colour than the face, as on a bald skull, 1 where it clearly is hair."""


def hair_of(points: SurfacePoints, colors: Array, seen: Bools) -> Hair | None:
    """The hair among the colours (N, 3) of the points that are seen (N,), None where the skull is not."""
    weights = np.where(seen & (points.region == SKULL), into_hair(), 0) ** 2
    if weights.sum() < 1:
        return None
    color = weights @ colors / weights.sum()
    of_seen = row_mean(csr_matrix(points.neighbours @ diags(seen.astype(np.float64))))
    smooth = diffused(colors, of_seen, _SMOOTH_STEPS)
    contrast = np.sqrt(weights @ (colors - smooth) ** 2 / weights.sum())
    face = colors[seen & (points.region == FACE)]
    share = _unlike_skin(color, face.mean(0)) if len(face) else 0.0
    return Hair(np.asarray(color), np.asarray(contrast), share)


def _unlike_skin(color: Array, face: Array) -> float:
    """How surely a colour (3,) is not that of the face (3,), in 0…1: darker, or of another hue.

    Only brighter it may be a bald skull, which light from above falls on.
    """
    darker = (face - color).max() / _DARKER
    hue = np.abs(color / max(color.sum(), 1e-6) - face / max(face.sum(), 1e-6)).max() / _OTHER_HUE
    return float(np.clip(max(darker, hue), 0, 1))


@cache
def into_hair() -> Array:
    """(N,) how far from skin each of `surface_points(fine_eyes=True)` lies on the skull, in 0…1."""
    points = surface_points(fine_eyes=True)
    places = points.at(load_template().vertices)
    skin = cKDTree(places[points.region != SKULL])
    return np.asarray(np.minimum(skin.query(places)[0] / _DEEP_M, 1))


@cache
def strands() -> Array:
    """(N,) strands that fall from the whorl, standard normal over the skull, 0 elsewhere.

    Noise, drawn out along the way that hair falls (line integral convolution, Cabral and Leedom 1993, on the
    neighbour graph). The same at every call.
    """
    points = surface_points(fine_eyes=True)
    places, hairy = points.at(load_template().vertices), points.region == SKULL
    fall = places - WHORL
    links = points.neighbours.tocoo()
    ways = places[links.col] - places[links.row]
    length = np.linalg.norm(ways, axis=1) * np.linalg.norm(fall[links.row], axis=1)
    along = np.abs((ways * fall[links.row]).sum(1)) / np.maximum(length, 1e-12)
    both = hairy[links.row] & hairy[links.col]
    downward = row_mean(csr_matrix((both * along**_ALONG_POWER, (links.row, links.col)), links.shape))
    noise = np.where(hairy, np.random.default_rng(_SEED).standard_normal(len(places)), 0)
    noise = diffused(noise, downward, _STRAND_STEPS)
    return np.where(hairy, noise / noise[hairy].std(), 0)


_HAIR_PULL = 0.05
"""How soon, beside a neighbour's, hair takes its own colour: within a centimetre or two of the skin."""
_STRAND_CONTRAST = 0.7
"""Of strands made up, in that of those seen."""


def with_hidden(points: SurfacePoints, colors: Array, seen: Bools) -> Array:
    """The colours (N, 3) in 0…1 of the points `surface_points(fine_eyes=True)`, of which (N,) are seen."""
    far, pull = _region_means(colors, seen, points.region), np.full(len(colors), FAR_PULL)
    hair = hair_of(points, colors, seen)
    if hair is None:
        return complete_colors(colors, seen, points.neighbours, points.mirror, far, pull)
    skull = points.region == SKULL
    far[skull] += hair.share * (hair.color - far[skull])
    pull[skull] += hair.share * _HAIR_PULL * into_hair()[skull]
    whole = complete_colors(colors, seen, points.neighbours, points.mirror, far, pull)
    contrast = _STRAND_CONTRAST * hair.share * into_hair() * strands()
    whole[~seen] += contrast[~seen, None] * hair.contrast
    return np.clip(whole, 0, 1)


def _region_means(colors: Array, seen: Bools, region: Ints) -> Array:
    """For each point (N,) the mean colour of what is seen in its region."""
    means = np.tile(colors[seen].mean(0) if seen.any() else colors.mean(0), (len(colors), 1))
    for part in np.unique(region[seen]):
        means[region == part] = colors[seen & (region == part)].mean(0)
    return means
