"""Colours of the parts of a head that no photo shows.

They copy the other half of the head, tend to the colour of what they are made of, and hair takes the strands
of the hair that is seen.
"""

import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, Ints, diffused, row_mean
from fastavatar.images import HAIR, SKIN
from fastavatar.models.facemesh import (
    EAR,
    EYE,
    FACE,
    GUM,
    JAW,
    NECK,
    SKULL,
    TOOTH,
    WHITE,
    SurfacePoints,
)
from fastavatar.surfaces import FAR_PULL, complete_colors

WHORL = np.array([0.0, 0.115, -0.115])
"""The point on the skull that hair falls from, head frame, metres; chosen by eye."""
_DEEP_M = 0.04  # hair this far from skin has its own colour alone
_ACROSS = 0.003
"""Weight of links between hair, skin and cloth, against 1 within each."""
# Diffusion steps: those that smooth colours over one to two centimetres, and those that draw out strands
_SMOOTH_STEPS, _STRAND_STEPS = 12, 16
_ALONG_POWER = 16  # power of the cosine between a step and the direction of fall: high keeps strands thin
_HAIR_PULL = 0.05
"""Pull toward the hair's own colour, beside 1 of a neighbour's: felt one to two centimetres from the skin."""
_EAR_PULL = 0.02
"""The same for ears toward the face's colour, which a beard or shadow beside them has not."""
_STRAND_CONTRAST = 0.7
"""Contrast of synthesised strands, as a fraction of the contrast observed; chosen by eye."""
_BEARD_M = 0.025
"""Depth below the eyes at which beards begin, which are skin to the segmenter."""
_NAPE_M, _NAPE_UNEVEN = 0.014, 0.4
"""Length over which hair thins out on a hidden nape, and how much it varies; chosen by eye."""
_USUAL = {WHITE: (0.78, 0.74, 0.72), TOOTH: (0.80, 0.76, 0.68), GUM: (0.52, 0.26, 0.25)}
"""sRGB of eyes, teeth and gums where none is seen, beside a face of `_USUAL_LUMA`; chosen by eye."""
_USUAL_LUMA, _LUMA = 0.65, np.array([0.299, 0.587, 0.114])
_ENOUGH = 50  # seen points from which a part has a colour of its own
_SEED = 0


def with_hidden(points: SurfacePoints, means: Array, colors: Array, seen: Bools, material: Ints) -> Array:
    """Colours (N, 3) in 0…1 of all points at `means` (N, 3), from those that are seen (N,).

    `material` (N,) is `HAIR`, `SKIN` or `CLOTH`.
    """
    if not seen.any():
        return colors.copy()
    # Links between materials are weak, so that colours hardly cross the hairline or the collar
    links = points.neighbours.tocoo()
    weight = np.where(material[links.row] == material[links.col], 1.0, _ACROSS)
    within = csr_matrix((weight, (links.row, links.col)), links.shape)
    far, pull = _far_colors(means, colors, seen, points.region, material), np.full(len(colors), FAR_PULL)
    hair = material == HAIR
    depth = _into_hair(means, hair)
    pull[hair] += _HAIR_PULL * depth[hair]
    pull[(points.region == EAR) & ~hair] += _EAR_PULL
    # The mirror image shows how colours change where it is made of the same
    alike = material == material[points.mirror]
    mirror = np.where(alike, points.mirror, np.arange(len(material)))
    whole = complete_colors(colors, seen, within, mirror, far, pull)
    # Strands: the pattern, in the contrast that seen hair has against its own smoothed colour
    known = seen & hair
    if known.sum() > _ENOUGH:
        of_seen = row_mean(csr_matrix(within @ diags(known.astype(np.float64))))
        smooth = diffused(colors, of_seen, _SMOOTH_STEPS)
        contrast = np.sqrt(depth[known] @ (colors - smooth)[known] ** 2 / max(depth[known].sum(), 1e-9))
        pattern = strands(means, within, hair)
        whole += (_STRAND_CONTRAST * np.where(seen, 0, depth) * pattern)[:, None] * contrast
        skin = (material == SKIN) & np.isin(points.region, (SKULL, JAW, NECK))
        whole = _with_soft_nape(means, whole, hair & ~seen, skin & ~seen, pattern)
    return np.clip(whole, 0, 1)


def _with_soft_nape(means: Array, colors: Array, hair: Bools, skin: Bools, pattern: Array) -> Array:
    """Colours (N, 3) in which hair that is not seen thins out over skin that is not seen, (N,) each.

    Strands end at different heights, as the `pattern` (N,) of the nearest hair says.
    """
    if not (hair.any() and skin.any()):
        return colors
    apart_m, nearest = (np.asarray(found) for found in cKDTree(means[hair]).query(means[skin]))
    # Standard deviations of the pattern lengthen or shorten a strand
    length = _NAPE_M * np.clip(1 + _NAPE_UNEVEN * pattern[hair][nearest], 0.3, 1.6)
    share = np.clip(1 - apart_m / length, 0, 1)[:, None] ** 1.5
    softened = colors.copy()
    softened[skin] += share * (colors[hair][nearest] - colors[skin])
    return softened


def _far_colors(means: Array, colors: Array, seen: Bools, region: Ints, material: Ints) -> Array:
    """The colour (N, 3) that each point tends to: the median of what is made of the same, if possible nearby.

    The median leaves out highlights and the backdrop that shines through. Skin takes that of the face above
    the beard, and the neck its own where enough of it is seen.
    """
    far = np.tile(np.median(colors[seen], 0), (len(colors), 1))
    for kind in np.unique(material[seen]):
        far[material == kind] = np.median(colors[seen & (material == kind)], 0)
    skin = material == SKIN
    face = seen & skin & (region == FACE) & (means[:, 1] > means[region == EYE, 1].mean() - _BEARD_M)
    if face.any():
        far[skin] = np.median(colors[face], 0)
    # Light changes eyes and teeth as it does the face, its skin's own darkness apart
    light = np.clip(float(np.median(colors[face] @ _LUMA)) / _USUAL_LUMA, 0.6, 1.1) if face.any() else 1.0
    for kind, usual in _USUAL.items():
        here = material == kind
        shown = colors[seen & here]
        far[here] = light * np.array(usual) if len(shown) < _ENOUGH else np.median(shown, 0)
    neck = skin & (region == NECK)
    if (seen & neck).sum() >= _ENOUGH:
        far[neck] = np.median(colors[seen & neck], 0)
    return far


def _into_hair(means: Array, hair: Bools) -> Array:
    """(N,) distance of hair from all else, in 0…1 of 4 cm; 0 elsewhere."""
    depth = np.zeros(len(means))
    if hair.all():
        depth[:] = 1
    elif hair.any():
        distance = cKDTree(means[~hair]).query(means[hair], distance_upper_bound=_DEEP_M)[0]
        depth[hair] = np.minimum(distance / _DEEP_M, 1)
    return depth


def strands(means: Array, links: csr_matrix, hair: Bools) -> Array:
    """(N,) a pattern of strands that fall from the whorl: of unit variance on hair, 0 elsewhere.

    It is noise diffused along the direction of fall: line integral convolution (Cabral and Leedom 1993) on
    the neighbour graph. The same points give the same pattern.
    """
    # Hair leaves the whorl in all directions, then hangs
    fall = means - WHORL
    fall[:, 1] -= np.linalg.norm(fall[:, [0, 2]], axis=1)
    graph = links.tocoo()
    both = hair[graph.row] & hair[graph.col]
    row, col = graph.row[both], graph.col[both]
    ways = means[col] - means[row]
    length = np.linalg.norm(ways, axis=1) * np.linalg.norm(fall[row], axis=1)
    along = np.abs((ways * fall[row]).sum(1)) / np.maximum(length, 1e-12)
    # A step counts by how well it follows the fall
    downward = row_mean(csr_matrix((along**_ALONG_POWER, (row, col)), graph.shape))
    noise = np.where(hair, np.random.default_rng(_SEED).standard_normal(len(means)), 0)
    noise = diffused(noise, downward, _STRAND_STEPS)
    return np.where(hair, noise / max(float(noise[hair].std()), 1e-12), 0)
