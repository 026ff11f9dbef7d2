"""Colours of what no photo shows of a head: as on its other half, as in its region, hair as hair."""

import numpy as np

from fastavatar.geometry.arrays import Array, Bools, Ints
from fastavatar.models.facemesh.hair import hair_of, into_hair, strands
from fastavatar.models.facemesh.surface import SurfacePoints
from fastavatar.models.facemesh.template import SKULL
from fastavatar.surfaces.completion import FAR_PULL, complete_colors

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
