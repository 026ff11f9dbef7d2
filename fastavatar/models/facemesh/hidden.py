"""Colours of the parts of a head that no photo shows.

They copy the other half of the head, tend to the mean colour of their region, and on the skull take the
colour and the strands of the hair that is seen.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, Ints, diffused, row_mean
from fastavatar.models.facemesh import FACE, SKULL, SurfacePoints, load_template, surface_points
from fastavatar.surfaces import FAR_PULL, complete_colors

WHORL = np.array([0.0, 0.115, -0.115])
"""The point on the template's skull that hair falls from, head frame, metres; chosen by eye."""
_DEEP_M = 0.04  # a skull point this far from skin is hair, unless the head is bald
# A colour is not skin where it is darker by this, or differs this much in its shares of red, green and blue;
# chosen on the portrait and both captures
_DARKER, _OTHER_HUE = 0.15, 0.07
# Diffusion steps: those that smooth colours over one to two centimetres, and those that draw out strands
_SMOOTH_STEPS, _STRAND_STEPS = 12, 16
_ALONG_POWER = 16  # power of the cosine between a step and the direction of fall: high keeps strands thin
_SEED = 0


@dataclass(frozen=True)
class Hair:
    """The hair, or the bald skull, as the photos show it."""

    color: Array
    """(3,) in 0…1."""
    contrast: Array
    """(3,) standard deviation by channel of detail finer than one to two centimetres."""
    share: float
    """How surely it is hair: 0 where its colour is the face's, as on a bald skull, 1 where it clearly
    differs."""


def hair_of(points: SurfacePoints, colors: Array, seen: Bools) -> Hair | None:
    """The hair in the colours (N, 3) of the points that are seen (N,); None where no skull point is seen."""
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
    """How surely, in 0…1, a colour (3,) is not the face's (3,): it is darker or of another hue.

    A brighter colour may be a bald skull in light from above.
    """
    darker = (face - color).max() / _DARKER
    hue = np.abs(color / max(color.sum(), 1e-6) - face / max(face.sum(), 1e-6)).max() / _OTHER_HUE
    return float(np.clip(max(darker, hue), 0, 1))


@cache
def into_hair() -> Array:
    """(N,) distance from skin of each of `surface_points(fine_eyes=True)`, in 0…1 of `_DEEP_M`; 0 on skin."""
    points = surface_points(fine_eyes=True)
    places = points.at(load_template().vertices)
    skin = cKDTree(places[points.region != SKULL])
    return np.asarray(np.minimum(skin.query(places)[0] / _DEEP_M, 1))


@cache
def strands() -> Array:
    """(N,) a pattern of strands that fall from the whorl: of unit variance on the skull, 0 elsewhere.

    It is noise diffused along the direction of fall: line integral convolution (Cabral and Leedom 1993) on
    the neighbour graph. Every call gives the same.
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
"""Pull toward the hair's own colour, beside 1 of a neighbour's: felt one to two centimetres from the skin."""
_STRAND_CONTRAST = 0.7
"""Contrast of synthesised strands, as a fraction of the contrast observed; chosen by eye."""


def with_hidden(points: SurfacePoints, colors: Array, seen: Bools) -> Array:
    """Colours (N, 3) in 0…1 of all of `surface_points(fine_eyes=True)`, from those that are seen (N,)."""
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
