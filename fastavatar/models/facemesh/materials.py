"""What each point of a head is made of, such as hair, skin or cloth: colours do not mix between them."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from fastavatar.geometry import Array, Bools, Ints
from fastavatar.images import CLOTH, HAIR, SKIN, THING
from fastavatar.models.facemesh import (
    BEYOND,
    EAR,
    EYE,
    FACE,
    JAW,
    MOUTH,
    NECK,
    SKULL,
    TEETH,
    TORSO,
    HeadView,
    SurfacePoints,
)

WHITE, TOOTH, GUM = 10, 11, 12
"""What eyes, teeth and the inside of the mouth are made of, in addition to the parts that photos tell."""
_ENOUGH = 50
"""Seen points that decide what their region is made of."""
_COVERED_NECK = 0.7
"""Share of the seen neck that is cloth from which its hidden part is cloth, too: a turtleneck."""
_COVERED_EAR = 0.7
"""Share of hair in what is seen where an ear is, from which the ear is under it. It was 0.6 to 1 on eight
people with covered ears, and 0 to 0.44 on nine with bare ones."""
_ON_SHOULDERS_M = 0.025
"""Distance from hair within which hidden cloth counts as hair."""


def seen_materials(views: Sequence[HeadView], means: Array, shares: Array) -> Ints:
    """(N,) `HAIR`, `SKIN` or `CLOTH` at points (N, 3) by the view with the largest of their shares (P, N)."""
    material = np.full(len(means), SKIN)
    # The view that decides a point's colour decides what it is made of
    best = shares.argmax(0)
    for index, view in enumerate(views):
        mine = np.flatnonzero((best == index) & (shares[index] > 0))
        material[mine] = view.parts.shares[view.cells(means[mine]).at].argmax(1)
    return np.where(material == THING, CLOTH, material)


def covered_ears(points: SurfacePoints, means: Array, normals: Array, views: Sequence[HeadView]) -> Bools:
    """Which points (N,) at means (N, 3) with normals (N, 3) are of ears under hair, as far as views tell."""
    covered = np.zeros(len(means), bool)
    for side in (-1, 1):
        ear = np.flatnonzero((points.region == EAR) & (side * means[:, 0] > 0))
        # Pixels are counted over all views, so a view that hardly sees the ear hardly counts
        hair, person = 0, 0
        for view in views:
            at, shown, _ = view.cells(means[ear])
            faces = (normals[ear] * (view.camera.center.numpy() - means[ear])).sum(1) > 0
            here = shown & faces & (view.mask[at] > 0.5)
            person += int(here.sum())
            hair += int((view.parts.shares[at].argmax(1) == HAIR)[here].sum())
        covered[ear] = hair > _COVERED_EAR * max(person, _ENOUGH)
    return covered


def expected_materials(points: SurfacePoints, means: Array, material: Ints, seen: Bools, hair: Bools) -> Ints:
    """(N,) what points are made of: `material` (N,) where `seen` (N,), else what is to be expected.

    Face, ears and jaw are skin; a skull is what is seen of it, hair or the skin of a bald head. A point
    beyond the head is like the nearest one that is seen, but for those that are known to be `hair` (N,).
    """
    hidden = ~seen
    # Skin unless the region says otherwise
    guess = np.full(len(material), SKIN)
    guess[points.region == SKULL] = _most(material[seen & (points.region == SKULL)], HAIR)
    guess[points.region == TORSO] = _most(material[seen & (points.region == TORSO)], CLOTH)
    neck = material[seen & (points.region == NECK)]
    if len(neck) >= _ENOUGH and (neck == CLOTH).mean() > _COVERED_NECK:
        guess[points.region == NECK] = CLOTH
    # The hidden half of a head is the mirror image of the other, but for locks that fall over a cheek
    mirrored = seen[points.mirror] & np.isin(points.region, (FACE, SKULL, JAW, EAR))
    below_brows = means[:, 1] < means[points.region == EYE, 1].max(initial=-np.inf)
    mirrored &= ~((points.region == FACE) & below_brows & (material[points.mirror] == HAIR))
    guess[mirrored] = material[points.mirror[mirrored]]
    # Beyond the head there is hair or cloth
    beyond, known = points.region == BEYOND, seen & (points.region == BEYOND) & (material != SKIN)
    if beyond.any():
        guess[beyond] = HAIR
    if known.any():
        # A collar beside a lock: the nearest point that is seen tells which of them this is
        nearest = cKDTree(means[known]).query(means[beyond])[1]
        guess[beyond] = material[known][nearest]
    guess[hair] = HAIR
    expected = np.where(hidden, guess, material)
    # Hair that lies on shoulders is thinner in places than they are high: what shows through is hair, too
    locks, under = beyond & (expected == HAIR), hidden & (points.region == TORSO)
    if locks.any() and under.any():
        close = cKDTree(means[locks]).query(means[under], distance_upper_bound=_ON_SHOULDERS_M)[0]
        expected[np.flatnonzero(under)[np.isfinite(close)]] = HAIR
    for region, made_of in ((EYE, WHITE), (TEETH, TOOTH), (MOUTH, GUM)):
        expected[points.region == region] = made_of
    return expected


def _most(material: Ints, otherwise: int) -> int:
    """The most frequent value of `material` (K,), `otherwise` where there are few."""
    return int(np.bincount(material).argmax()) if len(material) >= _ENOUGH else otherwise
